"""Comparisons of search methods on cheap functions."""

import _thread
import io
import json
import math
import signal
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.comparison import Comparison
from paceline.comparison.printing import show
from paceline.core import InvalidInput
from paceline.report.terminal import console
from paceline.search import Given

SEEDS = 6


class Bowl:
    """A function of x and y that counts its calls; smallest, 0, at 0.3 and 0.3."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, hp: Any) -> float:
        self.calls += 1
        x, y = hp.Float("x", 0.0, 1.0), hp.Float("y", 0.0, 1.0)
        return math.hypot(x - 0.3, y - 0.3)


def stepwise(hp: Any) -> None:
    """Reports its way down in nine steps."""
    x = hp.Float("x", 0.0, 1.0)
    for step in range(9):
        if not hp.report({"value": (x - 0.3) ** 2 + 0.5 ** (step + 1)}):
            return


def compared(directory: Path, function: Any, **options: Any) -> Comparison:
    asked: dict[str, Any] = {
        "objective": "min",
        "trials": 8,
        "seeds": 2,
        "display": False,
        **options,
    }
    return paceline.compare(function, directory=directory, **asked)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Bowl]:
    bowl = Bowl()
    directory = tmp_path_factory.mktemp("three")
    good = {"search": Given(tuple({"x": 0.3 + 0.001 * i, "y": 0.3} for i in range(8)))}
    found = compared(
        directory,
        bowl,
        searches=["random", "grid"],
        methods={"<b>near</b>": good},
        seeds=SEEDS,
        trials=9,
    )
    return found, bowl


def test_every_method_runs_with_every_seed_on_the_same_budget(
    three: tuple[Comparison, Bowl],
) -> None:
    found, bowl = three
    frame = found.results()
    assert list(zip(frame["method"], frame["seed"], strict=True)) == [
        (method, seed)
        for method in ("random", "grid", "<b>near</b>")
        for seed in range(1, SEEDS + 1)
    ]
    assert set(frame["trials"]) == {9}
    assert set(frame["state"]) == {"finished"}
    assert bowl.calls == len(frame) * 9
    assert (frame["peak_bytes"] > 1e6).all()


def test_the_best_method_and_significant_differences_are_named(
    three: tuple[Comparison, Bowl],
) -> None:
    found, _ = three
    assert found.sentences[0].startswith("<b>near</b> has the best")
    pairs = found.differences().set_index(["first", "second"])
    assert pairs["first_is_better_by"][("random", "<b>near</b>")] < 0
    assert pairs["real"][("random", "<b>near</b>")]
    assert any(
        sentence.startswith("It is significantly better than") and "random" in sentence
        for sentence in found.sentences
    )


def test_results_at_smaller_budgets(three: tuple[Comparison, Bowl]) -> None:
    found, _ = three
    assert found.axis == "trials"
    budgets = found.budgets()
    assert budgets["trials"].drop_duplicates().tolist() == [3, 5, 9]
    by_method = budgets.set_index(["method", "trials"])
    metric = found.objective.metric
    for method in found.methods:
        column = [float(by_method[metric][(method, trials)]) for trials in (3, 5, 9)]
        assert all(now <= before for before, now in pairwise(column))
        last = found.results().query("method == @method")[metric].mean()
        assert column[-1] == pytest.approx(last)
    assert budgets.groupby("trials")["rank"].sum().tolist() == pytest.approx([6.0, 6.0, 6.0])


def test_the_curves_are_the_best_so_far(three: tuple[Comparison, Bowl]) -> None:
    found, _ = three
    for (method, seed), rows in found.curves().groupby(["method", "seed"]):
        study = found.study(str(method), int(str(seed)))
        scores = [trial.score for trial in study.trials if trial.score is not None]
        assert rows["trials"].tolist() == list(range(1, 10))
        assert rows["score"].min() == min(scores)
        assert rows["score"].is_monotonic_decreasing
        assert rows["seconds"].is_monotonic_increasing


def test_a_grid_has_as_many_points_as_fit(three: tuple[Comparison, Bowl]) -> None:
    found, _ = three
    grids = [run for run in found.runs if run.method == "grid"]
    assert {(run.grid, run.trials) for run in grids} == {
        (9, 9)
    }  # both ends of each, and the default


def test_a_grid_that_does_not_fit_is_cut_with_a_remark(tmp_path: Path) -> None:
    def many(hp: Any) -> float:
        return float(sum(hp.Choice(f"c{i}", [0, 1, 2]) for i in range(4)))

    found = compared(tmp_path, many, searches=["random", "grid"], trials=6, seeds=1)
    assert (
        "grid tried 6 of the 81 points of the grid, the default first and then in order."
        in found.sentences
    )
    assert "One seed does not show how reliable that is." in found.sentences


def test_saved_as_tables_and_a_page_in_which_names_are_shown_and_never_run(
    three: tuple[Comparison, Bowl],
) -> None:
    found, _ = three
    for name in ("comparison.csv", "budgets.csv", "differences.csv", "comparison.html"):
        assert (found.directory / name).stat().st_size > 0
    page = (found.directory / "comparison.html").read_text("utf-8")
    assert "&lt;b&gt;near&lt;/b&gt;" in page
    assert (
        "<b>near</b>"
        not in page.split('<script type="application/json"')[0]
        .split("<body>")[1]
        .split("<script>")[0]
    )
    figures = page.split('id="figures">')[1].split("</script>")[0]
    assert set(json.loads(figures)) == {"answer", "way", "used", "differences"}


def test_equal_scores_give_no_interval(tmp_path: Path) -> None:
    found = compared(
        tmp_path, lambda hp: 0.5 + 0.0 * hp.Float("x", 0.0, 1.0), searches=["random"], trials=2
    )
    assert (
        "0.5 with each of 2 seeds, which does not show how far others may differ."
        in found.sentences[0]
    )
    shown = io.StringIO()
    show(found, console(shown))
    assert "0.5 to 0.5" not in shown.getvalue()
    assert "()" not in shown.getvalue()


def test_intervals_of_accuracies_stay_below_one(tmp_path: Path) -> None:
    def accuracy(hp: Any) -> dict[str, float]:
        return {"accuracy": 0.9 + 0.1 * hp.Float("x", 0.0, 1.0) ** 0.2}

    objective = paceline.Objective("accuracy", "max")
    found = compared(
        tmp_path, accuracy, objective=objective, searches=["random"], trials=3, seeds=3
    )
    frame = found.budgets()
    wide = (
        frame["accuracy"] + (frame["accuracy"] - frame["accuracy_low"]) > 1
    )  # they would leave it
    assert wide.any()
    assert (frame["accuracy_high"].dropna() <= 1).all()


def test_a_second_call_repeats_nothing_and_adds_what_is_new(tmp_path: Path) -> None:
    bowl = Bowl()
    compared(tmp_path, bowl, searches=["random"], trials=4)
    assert bowl.calls == 8
    compared(tmp_path, bowl, searches=["random"], trials=4)
    assert bowl.calls == 8
    compared(tmp_path, bowl, searches=["random", "sobol"], trials=4, seeds=3)
    assert bowl.calls == 24
    found = compared(tmp_path, bowl, searches=["random"], trials=6, seeds=3)
    assert bowl.calls == 30
    assert found.methods == ("random", "sobol")
    assert set(found.results()["trials"]) == {4, 6}
    assert Comparison.open(tmp_path).results().equals(found.results())


def test_an_interrupted_comparison_resumes(tmp_path: Path) -> None:
    bowl = Bowl()

    def interrupted(hp: Any) -> float:
        if bowl.calls == 10:  # as by Ctrl+C, in the second run
            _thread.interrupt_main()
            while True:  # until the study ends this call, which does not count then
                threading.Event().wait(0.01)
        return bowl(hp)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            compared(tmp_path, interrupted, searches=["random"], trials=60)
    finally:
        signal.signal(signal.SIGINT, before)
    halfway = Comparison.open(tmp_path)
    assert any("Not finished: random (seed" in sentence for sentence in halfway.sentences)
    compared(tmp_path, bowl, searches=["random"], trials=60)
    assert bowl.calls == 120


def test_equal_methods_do_not_differ_significantly(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        Bowl(),
        methods={"one": {"search": "random"}, "other": {"search": "random"}},
        seeds=3,
    )
    assert not found.differences()["real"].any()
    assert set(found.budgets()["rank"]) == {1.5}
    assert any(sentence.startswith("No significant difference") for sentence in found.sentences)


def test_a_method_may_depend_on_what_another_found_with_the_same_seed(tmp_path: Path) -> None:
    met = []

    def around(seed: int, earlier: Mapping[str, paceline.Study]) -> Mapping[str, Any]:
        met.append((seed, earlier["random"].best.config))
        return {"search": Given((earlier["random"].best.config,))}

    found = compared(tmp_path, Bowl(), methods={"around": around, "random": {"search": "random"}})
    assert met == [(seed, found.study("random", seed).best.config) for seed in (1, 2)]
    frame = found.results().set_index(["method", "seed"])[found.objective.metric]
    assert frame["around"].tolist() == frame["random"].tolist()


def test_schedules_are_compared_by_what_they_trained(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        stepwise,
        searches=["random"],
        schedules=["full", "asha"],
        trials=12,
        epochs=9,
        objective=("value", "min"),
    )
    epochs = found.results().groupby("method")["epochs"].sum()
    assert epochs["random/full"] == 2 * 12 * 9
    assert epochs["random/asha"] < epochs["random/full"]
    assert found.axis == "epochs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"searches": "random"}, "a list of names"),
        ({}, "nothing to compare"),
        ({"searches": ["random"], "search": "grid"}, "searches"),
        ({"searches": ["random"], "seeds": 0}, "at least 1"),
        ({"searches": ["random"], "seeds": [1, 1]}, "different"),
        ({"methods": {"a b": {}, "a-b": {}}}, "differ"),
        ({"searches": ["rndom"]}, "rndom"),
    ],
)
def test_invalid_arguments_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        compared(tmp_path, Bowl(), **options)


def test_a_directory_without_a_comparison(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="contains no comparison"):
        Comparison.open(tmp_path)


def test_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "objective.py").write_text(
        "def bowl(hp):\n    return (hp.Float('x', 0.0, 1.0) - 0.3) ** 2\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = (
        "compare objective.py:bowl --search random,sobol --seeds 2 --trials 4 "
        "--objective value:min --no-display"
    )
    first = CliRunner().invoke(app, [*arguments.split(), "--directory", "found"])
    assert first.exit_code == 0, first.output
    for words in ("over 2 seeds", "average rank", "compilations", "comparison.csv"):
        assert words in first.stdout
    assert (
        CliRunner().invoke(app, [*arguments.split(), "--directory", "found"]).stdout == first.stdout
    )
