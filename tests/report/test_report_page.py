"""The report: whole, readable whatever happened to the study, and never running what users
typed.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from paceline.cli.app import app
from paceline.core import InvalidInput, TrialState, Value
from paceline.core.events import (
    BestTested,
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Json,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.report import Study, read
from paceline.report.document import write_report
from paceline.report.page.command import command, python
from paceline.report.page.parts import scores_range
from paceline.report.panels import panels
from paceline.schedule import create
from paceline.space import Choice, Float, Int, Space
from paceline.store import StudyStore

PANELS = ["answer", "winner", "search", "mattered", "seconds", "trials", "tested", "repeat"]
EVIL = (
    "</script><script>document.title='owned'</script><img src=x "
    "onerror=\"document.title='owned'\">'&amp;"
)
SPACE = Space(
    {"rate": Float(1e-4, 1e-1, sampling="log"), "units": Int(8, 64), "kind": Choice(["a", "b"])}
)
DATA: dict[str, Json] = {
    "name": "mine",
    "fingerprint": "f00d",
    "rows": {"train": 80, "val": 20, "test": 10},
}


def begin(space: Space = SPACE, data: dict[str, Json] = DATA, **settings: Json) -> list[Event]:
    known = {"epochs": 3, "batch_size": 32, "trials": 30, "search": "random", "seed": 7, **settings}
    created = StudyCreated(2, {"metric": "val_accuracy", "direction": "maximize"}, data, known)
    return [
        created,
        SessionStarted({"keras": "3.15", "numpy": "2.4"}),
        SpaceChanged(space.to_json()),
    ]


def trial(
    number: int, score: float | None, *, epochs: int = 3, config: dict[str, Value] | None = None
) -> list[Event]:
    config = config or {
        "rate": 0.0005 * (number % 9 + 1),
        "units": 8 + number % 50,
        "kind": "ab"[number % 2],
    }
    start: list[Event] = [
        TrialAsked(number, config, 0, 3, "random"),
        TrialStarted(number, "p", config),
    ]
    if score is None:
        return [
            *start,
            TrialEnded(
                number, TrialState.FAILED, None, None, f"Traceback\n{EVIL}\nValueError: {EVIL}\n"
            ),
        ]
    curve = [score * (epoch + 1) / (epoch + 2) for epoch in range(1, epochs)] + [score]
    measured = [
        EpochMeasured(number, e, {"val_accuracy": one}, 0.1 * e)
        for e, one in enumerate(curve, start=1)
    ]
    state = TrialState.COMPLETED if epochs == 3 else TrialState.STOPPED
    return [*start, *measured, TrialEnded(number, state, score, epochs, "")]


def many(num: int) -> list[Event]:
    return [
        event
        for n in range(num)
        for event in trial(n, 0.8 + 0.01 * (n * 7 % 13), epochs=3 if n % 3 else 1)
    ]


def final(numbers: Sequence[int], pairs: int = 4) -> list[Event]:
    measured = [
        FinalMeasured(n, p, 0.9 - 0.01 * n + 0.002 * (n * p % 5), 3, {}, 0.1)
        for p in range(pairs)
        for n in numbers
    ]
    return [
        FinalStarted(tuple(numbers), numbers[-1], pairs, True, 0.1),
        *measured,
        FinalEnded(numbers[0], "best"),
    ]


def write(directory: Path, *events: Event) -> Path:
    store = StudyStore(directory, writable=True)
    store.append(events)
    store.close()
    return directory


END = SessionEnded("enough", 12.0)
TESTED = BestTested(1, {"accuracy": 0.81, "loss": 0.4}, refitted=True, epochs=3)
WHOLE = [
    *begin(),
    ProgramCompiled("p", 4, 1.0, 1),
    *many(30),
    *final([1, 5, 9]),
    TESTED,
    Noted("Mind the gap."),
    END,
]

NO_SCORES = [event for number in range(3) for event in trial(number, None)]
ONE_NAME = Space({"rate": Float(1e-4, 1e-1)})
CASES: dict[str, tuple[list[Event], str]] = {
    "whole": (WHOLE, "Trial 1 is the winner"),
    "not begun": ([], "The study has not begun."),
    "only created": (begin(), "No trial has completed yet."),
    "one trial": ([*begin(), *trial(0, 0.5), END], "It is the only trial that has completed"),
    "one that was stopped": (
        [*begin(), *trial(0, 0.5, epochs=1), END],
        "No trial has completed yet",
    ),
    "only failed trials": ([*begin(), *NO_SCORES, END], "All trials failed; the reasons are below"),
    "constant scores": (
        [*begin(), *(e for n in range(20) for e in trial(n, 0.5)), END],
        "20 trial",
    ),
    "one hyperparameter": (
        [
            *begin(ONE_NAME),
            *(e for n in range(5) for e in trial(n, n / 9, config={"rate": 0.01})),
            END,
        ],
        "Importance cannot be computed",
    ),
    "running": ([*begin(), *many(9), *trial(9, 0.9)[:4]], "running"),
    "scores that are not finite": (
        [*begin(), *trial(0, float("nan")), *trial(1, 0.5), END],
        "Trial 1",
    ),
    "a final that is not finished": (
        [*begin(), *many(9), *final([1, 5])[:4]],
        "The final has no winner yet",
    ),
    "a final that failed": (
        [
            *begin(),
            *many(9),
            FinalStarted((1,), None, 2, True, 0.1),
            FinalMeasured(1, 0, None, None, {}, 0.1),
            END,
        ],
        "The final has no winner yet",
    ),
    "a function's": (
        [*begin(data={"name": "f", "kind": "function"}), *many(9), END],
        "The study is of a function",
    ),
    "an older format": (
        [
            StudyCreated(1, {"metric": "val_loss", "direction": "minimize"}, {"name": "old"}, {}),
            END,
        ],
        "No trial has completed yet",
    ),
    "no test part": ([*begin(), *many(9), END], "no test set"),
}


class Page(HTMLParser):
    """What a browser would find: texts, the scripts, and attributes that run something."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.sections: list[str] = []
        self.texts: list[str] = []
        self.running: list[str] = []
        self._tag = ""
        self.feed(path.read_text("utf-8"))
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        given = dict(attrs)
        self.running += [name for name, _ in attrs if name.startswith("on")]
        self.running += [
            str(v)
            for k, v in attrs
            if k in ("src", "href") and not str(v).startswith(("#", "data:"))
        ]
        if tag == "script":
            self.scripts.append("")
        if tag == "section":
            self.sections.append(str(given["data-panel"]))

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "script":
            self.scripts[-1] += data
        elif self._tag != "style":
            self.texts.append(data)


def figures_in(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.scripts[2])
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_study_has_a_report_that_names_what_is_missing(tmp_path: Path, name: str) -> None:
    events, said = CASES[name]
    directory = write(tmp_path, *events)
    path = write_report(directory)
    page = Page(path)
    assert page.sections == (PANELS if events else ["answer"])
    assert said in page.text
    assert path == directory / "report.html"
    assert not page.running
    for panel in panels(read(directory)):
        for figure in panel.figures:
            assert f'data-figure="{figure.name}"' in panel.html
            assert figure.alt
            json.dumps(figure.plotly, allow_nan=False)


def test_user_input_is_escaped(tmp_path: Path) -> None:
    space = Space({EVIL: Choice([EVIL, "b"]), "rate": Float(1e-4, 1e-1)})
    data: dict[str, Json] = {
        "name": EVIL,
        "fingerprint": EVIL,
        "rows": {"train": 80, "val": 20, "test": 10},
    }
    configs: list[dict[str, Value]] = [
        {EVIL: EVIL, "rate": 0.01},
        {EVIL: "b", "rate": 0.02},
        {EVIL: EVIL, "rate": 0.1},
    ]
    trials = [
        event for n, config in enumerate(configs) for event in trial(n, 0.5 + n / 10, config=config)
    ]
    events = [
        *begin(space, data, search=EVIL),
        *trials,
        *trial(3, None),
        Noted(EVIL),
        *final([1, 2]),
        END,
    ]
    path = write_report(write(tmp_path, *events))
    page = Page(path)
    assert len(page.scripts) == 4
    assert not any("='owned'" in script for script in (*page.scripts[:2], page.scripts[3]))
    assert not page.running
    assert page.text.count(EVIL) >= 5
    told = json.dumps(figures_in(page), ensure_ascii=False)
    assert "<script" not in told  # Plotly reads some tags in texts, too
    assert "&lt;/script" in told


def test_the_policy_allows_nothing_from_outside(tmp_path: Path) -> None:
    text = write_report(write(tmp_path, *WHOLE)).read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]


def test_the_table_of_trials_has_every_trial_in_order(tmp_path: Path) -> None:
    summary = read(write(tmp_path, *WHOLE))
    shown = next(panel for panel in panels(summary) if panel.name == "trials").html
    assert re.findall(r'<th scope="row"[^>]*>(\d+)</th>', shown) == [str(n) for n in range(30)]
    assert 'class="sortable"' in shown


def test_the_best_so_far_only_gets_better(tmp_path: Path) -> None:
    summary = read(write(tmp_path, *WHOLE))
    figures = {figure.name: figure.plotly for panel in panels(summary) for figure in panel.figures}
    traces = [trace for trace in figures["best_so_far"]["data"] if trace["name"] == "best so far"]
    assert len(traces) == 3
    for trace in traces:
        assert trace["y"] == sorted(trace["y"])
        assert trace["x"] == sorted(trace["x"])
        assert trace["y"][-1] == max(t.score or 0.0 for t in summary.ranked)


@pytest.mark.parametrize("scores", [(0.78, 0.8), (0.8, 0.5, 0.7), (0.1, 0.2, 0.3, 0.4, 0.35)])
def test_a_few_scores_are_all_inside_the_axis(scores: tuple[float, ...]) -> None:
    reach = scores_range(scores)
    assert reach is not None
    assert reach[0] < min(scores)
    assert max(scores) < reach[1]


def test_an_outlier_does_not_compress_the_axis() -> None:
    assert scores_range([0.1, 0.2, 0.3, 0.4, 99.0]) == pytest.approx([0.055, 1.045])


def test_the_seconds_add_up(tmp_path: Path) -> None:
    timeline = read(write(tmp_path, *WHOLE)).timeline
    assert timeline.seconds == pytest.approx(12.0)
    assert min(timeline.training, timeline.compiling, timeline.deciding, timeline.other) >= 0


def test_the_report_is_written_to_the_given_path(tmp_path: Path) -> None:
    directory = write(tmp_path / "study", *WHOLE)
    other = tmp_path / "for you.html"
    answer = CliRunner().invoke(app, ["report", str(directory), "--output", str(other)])
    assert answer.exit_code == 0, answer.output
    assert Study.open(directory).report() == directory / "report.html"
    assert other.read_text("utf-8") == (directory / "report.html").read_text("utf-8")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_report(directory, tmp_path / "nowhere" / "report.html")
    assert not list(directory.glob("*.new"))
    assert CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")]).exit_code != 0


def test_the_command_can_be_run(tmp_path: Path) -> None:
    source = {
        "model": "mlp",
        "fixed": {"units": 64, "batch_norm": True},
        "data": "my digits.npz",
        "validation": 0.2,
        "data_options": {"test": 0.25, "target": "y"},
        "class_weight": {"0": 1.0, "1": 2.5},
    }
    settings: dict[str, Json] = {
        "source": source,
        "schedule": create("asha").to_json(),
        "search": "auto",
        "seconds": 90.0,
        "patience": 3,
        "closing": {
            "pairs": 8,
            "is_automatic": False,
            "prefer": "small",
            "refit": False,
        },
        "replication": {"repeats": 2, "folds": None},
    }
    settings["epochs"] = None
    space = Space({"epochs": Choice([5, 10]), "rate": Float(1e-4, 1e-1)})
    page = Page(write_report(write(tmp_path / "a", *begin(space, **settings), END)))
    said = re.search(r"Command (paceline tune .*?) Seed", page.text)
    assert said is not None
    typed = shlex.split(said[1])
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    given = group.commands["tune"].make_context("tune", typed[2:]).params
    expected = {
        "model": "mlp",
        "data": "my digits.npz",
        "objective": "val_accuracy:max",
        "epochs": "5,10",
        "trials": 30,
        "budget": "90s",
        "seed": 7,
        "validation": 0.2,
        "patience": 3,
        "repeats": 2,
        "final": "8",
        "prefer": "small",
        "refit": False,
        "target": "y",
        "test": "0.25",
        "class_weight": "0=1,1=2.5",
        "schedule": "asha",
    }
    assert {name: given[name] for name in expected} == expected
    assert list(given["fixed"]) == ["units=64", "batch_norm=yes"]
    settings["source"] = {**source, "data": None}
    other = Page(write_report(write(tmp_path / "b", *begin(space, **settings), END)))
    assert "not possible: something was passed from memory" in other.text


def test_each_figure_is_available_alone(tmp_path: Path) -> None:
    study = Study.open(write(tmp_path, *WHOLE))
    for figure in (
        "best_so_far",
        "learning_curves",
        "ends",
        "rivals",
        "differences",
        "configurations",
        "seconds",
    ):
        assert getattr(study.plot, figure)().data
    rng = np.random.default_rng(0)
    configs = [dict(SPACE.sample(rng)) for _ in range(40)]
    trials = [
        e for n, c in enumerate(configs) for e in trial(n, 0.5 + float(c["units"]) / 200, config=c)
    ]
    learned = Study.open(write(tmp_path / "learned", *begin(), *trials, END))
    for figure in ("importance", "dependence"):
        assert getattr(learned.plot, figure)().data
    with pytest.raises(InvalidInput, match="trials that say enough"):
        study.plot.importance()  # the scores have nothing to do with the configurations
    with pytest.raises(InvalidInput, match="lacks the numbers"):
        study.plot.confusion()
    with pytest.raises(InvalidInput, match="expected one of best_so_far"):
        study.plot.png("nothing")


def test_png_is_written_or_names_what_to_install(tmp_path: Path) -> None:
    study = Study.open(write(tmp_path, *WHOLE))
    if find_spec("kaleido") is None:
        with pytest.raises(InvalidInput, match=r"pip install 'paceline\[png\]'"):
            study.plot.png("seconds")
    else:
        assert study.plot.png("seconds").read_bytes().startswith(b"\x89PNG")


def browse(path: Path, profile: Path) -> tuple[str, str]:
    """The page's HTML after its scripts ran in headless Chromium, and what its console said."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--v=0",
        "--enable-logging=stderr",
        "--virtual-time-budget=20000",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


# Sorts the trials by their number, twice, and shows the panel again: the sorting is kept. The title
# tells.
SORT = """
const rows = () => [...document.querySelectorAll("#trials tbody th")].slice(0, 3);
const numbers = () => rows().map((each) => each.textContent);
const wait = setInterval(async () => {
  if (document.documentElement.dataset.drawn !== "yes") return;
  clearInterval(wait);
  const heading = document.querySelector("#trials thead th");
  const body = document.querySelector("#trials .body");
  const told = [], untouched = body.innerHTML;
  for (const _ of [1, 2]) {
    heading.querySelector("button").click();
    told.push(`${heading.getAttribute("aria-sort")} ${numbers()}`);
  }
  await paceline.show(document.getElementById("trials"), {html: untouched, figures: []});
  told.push(`kept ${numbers()}`);
  document.title = told.join(" | ");
}, 20);
"""


@pytest.mark.exhaustive
def test_a_browser_draws_every_panel_without_errors(tmp_path: Path) -> None:
    space = Space({EVIL: Choice([EVIL, "b"]), "rate": Float(1e-4, 1e-1), "units": Int(8, 64)})
    configs: list[dict[str, Value]] = [
        {EVIL: EVIL if n % 2 else "b", "rate": 0.004 * (n * 7 % 24 + 1), "units": 8 + 2 * n}
        for n in range(24)
    ]
    trials = [
        event for n, config in enumerate(configs) for event in trial(n, 0.5 + n / 60, config=config)
    ]
    stopped = trial(24, 0.4, epochs=1, config=configs[0])
    events = [
        *begin(space, {**DATA, "name": EVIL}),
        *trials,
        *stopped,
        *trial(25, None),
        *final([1, 2]),
        TESTED,
        END,
    ]
    study = write(tmp_path / "study", *events)
    report = write_report(study)
    report.write_text(
        report.read_text("utf-8").replace("</body>", f"<script>{SORT}</script></body>"), "utf-8"
    )
    page, console = browse(report, tmp_path / "profile")
    assert console == ""
    assert 'data-drawn="yes"' in page[:300]
    assert "<title>owned" not in page
    assert "<title>ascending 0,1,2 | descending 25,24,23 | kept 25,24,23" in page
    body = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert re.findall(r'<section id="(\w+)"', body) == PANELS
    places = re.findall(r'<figure data-figure="(\w+)"><div class="plot[^>]*data-drawn="yes"', body)
    search = ["best_so_far", "learning_curves", "ends"]
    assert places == [
        "rivals",
        "differences",
        *search,
        "importance",
        "dependence",
        "configurations",
        "seconds",
    ]
    assert body.count('aria-sort="none"') == 8


def test_epochs_that_are_a_hyperparameter_are_shown_once(tmp_path: Path) -> None:
    space = Space({"epochs": Choice([5, 10]), "rate": Float(1e-4, 1e-1)})
    summary = read(write(tmp_path / "a", *begin(space, epochs=None)))
    assert python(summary).count("epochs=") == 1
    assert "epochs=paceline.Choice([5, 10])" in python(summary)
    space = Space({"epochs": Int(2, 20), "rate": Float(1e-4, 1e-1)})
    summary = read(write(tmp_path / "b", *begin(space, epochs=None)))
    assert "epochs=paceline.Int(2, 20)" in python(summary)
    assert command(summary) is None


def test_workers_are_shown_with_what_they_do(tmp_path: Path) -> None:
    places = ["a:1", "a:2", "b:1", f"{EVIL}:3"]
    events = [*(e for n in range(6) for e in trial(n, 0.5)), *trial(6, 0.5)[:2]]
    placed = [
        replace(one, worker=places[one.number % 4]) if isinstance(one, TrialStarted) else one
        for one in events
    ]
    compiled = [ProgramCompiled("p", lanes, 1.0, 1) for lanes in (4, 16, 8)]
    summary = read(write(tmp_path / "study", *begin(), *placed, *compiled))
    (shown,) = [one for one in panels(summary) if one.name == "workers"]
    assert "4 workers on 3 machines" in shown.html
    rows = re.findall(r"<tr>(.*?)</tr>", shown.html, re.DOTALL)[1:]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    found = {name: (running, lanes, others) for name, running, lanes, others, _ in cells}
    assert found["b:1"] == ("6", "16", "1")
    assert found["a:1"] == ("", "", "2")
    assert EVIL not in shown.html
