"""The display: right numbers, plain lines without control characters, and next to no cost."""

import io
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from paceline.callbacks import Callback, Callbacks, StudyProgress, display_callbacks
from paceline.callbacks.lines import best, status
from paceline.callbacks.notebook import NotebookDisplay, in_notebook
from paceline.core import Budget, TrialState, Value
from paceline.core.events import (
    EpochMeasured,
    Event,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.space import Choice, Float, Space
from paceline.study import Record
from paceline.study.record.timeline import Clock

SPACE = Space({"rate": Float(1e-4, 1e-1, sampling="log"), "[red]": Choice(["[bold]", "b"])})
CREATED = StudyCreated(
    1,
    {"metric": "val_accuracy", "direction": "maximize"},
    {"name": "digits", "fingerprint": "", "rows": {"train": 1280, "val": 158, "test": 359}},
    {"epochs": 4, "batch_size": 32, "trials": 8, "search": "random"},
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def begin(trials: int = 8) -> list[Event]:
    configs: list[dict[str, Value]] = [
        {"rate": 0.001 * (i + 1), "[red]": "[bold]"} for i in range(trials)
    ]
    asked = [TrialAsked(i, config, 0, 4, "random") for i, config in enumerate(configs)]
    return [CREATED, SessionStarted({}), SpaceChanged(SPACE.to_json()), *asked]


def train(number: int, score: float | None) -> list[Event]:
    measured = [
        EpochMeasured(number, epoch, {"val_accuracy": score or 0.0}, 0.1 * epoch)
        for epoch in range(1, 5)
    ]
    state = TrialState.FAILED if score is None else TrialState.COMPLETED
    ended = TrialEnded(
        number,
        state,
        score,
        None if score is None else 4,
        "ValueError: no" if score is None else "",
    )
    config: dict[str, Value] = {"rate": 0.001 * (number + 1), "[red]": "[bold]"}
    return [TrialStarted(number, "p", config), *measured, ended]


class Fed:
    """Callbacks of a study whose events are made up."""

    def __init__(self, callbacks: list[Callback], budget: Budget | None = None) -> None:
        self.record = Record()
        self.callbacks = Callbacks(callbacks)
        self.budget = Budget(trials=8) if budget is None else budget
        self.callbacks.attach(Path("study"), self.record, Clock(), self.budget)

    def __call__(self, *events: Event) -> None:
        for event in events:
            self.record.apply(event)
        self.callbacks(self.record, events)


def test_progress_counts_trials_models_and_the_best() -> None:
    progress = StudyProgress()
    feed = Fed([progress])
    feed(*begin())
    assert (progress.total, progress.ended, progress.running, progress.best) == (8, 0, 0, None)
    feed(*train(0, 0.5), *train(1, 0.75), *train(2, None))
    feed(*train(3, 0.25)[:3], ProgramCompiled("p", 4, 1.0, 2))
    assert (progress.ended, progress.failed, progress.running, progress.compiled) == (3, 1, 1, 1)
    assert progress.best is not None
    assert (progress.best.number, progress.best.score) == (1, 0.75)
    assert progress.fraction() == pytest.approx(3.5 / 8)
    feed(TrialPaused(3, "enough"))
    assert progress.running == 0


def test_model_steps_are_counted_from_rows_and_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = StudyProgress()
    feed = Fed([progress])
    feed(*begin())
    feed(*train(0, 0.5)[:1])
    now = 102.0
    feed(*train(0, 0.5)[1:])
    assert progress.steps_per_second() == pytest.approx(4 * 40 / 2.0)
    left = progress.seconds_left()
    assert left == pytest.approx(7 * 2.0)
    now = 300.0
    assert progress.steps_per_second() < 1


def test_trials_of_an_earlier_session_count_as_done_but_not_as_fast() -> None:
    progress = StudyProgress()
    feed = Fed([progress])
    for event in (*begin(), *train(0, 0.5), *train(1, 0.75)):
        feed.record.apply(event)
    feed(SessionStarted({}))
    assert progress.best is not None
    assert (progress.ended, progress.best.number) == (2, 1)
    assert progress.seconds_left() is None
    # an epoch of a trial that is resumed from a snapshot comes without a start
    feed(EpochMeasured(2, 1, {"val_accuracy": 0.1}, 0.3))
    assert progress.running == 1


def test_time_left_keeps_to_the_budget() -> None:
    progress = StudyProgress()
    feed = Fed([progress], Budget(seconds=60.0))
    feed(*begin())
    left = progress.seconds_left()
    assert left is not None
    assert 59 < left <= 60


def test_plain_lines_have_no_control_characters_and_escape_nothing_twice() -> None:
    stream = io.StringIO()
    feed = Fed(display_callbacks(True, stream=stream))
    with feed.callbacks:
        feed(*begin())
        feed(Noted("half of [red] rows are empty"))
        feed(*train(0, 0.5))
        feed(*train(1, 0.75))
    told = stream.getvalue()
    assert told.splitlines()[0].endswith("...")
    assert "Note: half of [red] rows are empty\n" in told
    assert "2 of 8 trials done" in told.splitlines()[-1]
    assert "best val_accuracy 0.75 (trial 1)" in told.splitlines()[-1]
    assert told.replace("\n", "").isprintable()


def test_display_false_shows_nothing() -> None:
    assert display_callbacks(False, stream=Terminal()) == []
    assert display_callbacks(False, stream=io.StringIO()) == []


def test_the_live_display_shows_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    feed = Fed(display_callbacks("auto", stream=stream))
    with feed.callbacks:
        feed(*begin())
        feed(*train(0, 0.5))
        feed(*train(1, 0.75)[:3])
        feed(Noted("a [bold] note"))
    told = stream.getvalue()
    for words in (
        "1 of 8 trials done",
        "1 trial training",
        "val_accuracy 0.5, trial 0",
        "[red] [bold]",
        "a [bold] note",
    ):
        assert words in told


def test_the_status_says_what_is_prepared_and_what_is_saved() -> None:
    progress = StudyProgress()
    feed = Fed([progress], Budget(trials=1))
    assert best(progress) == ""
    feed(*begin(1))
    assert "0 of 1 trial done, preparing the next trials" in status(progress)
    feed(*train(0, 0.5))
    assert "1 of 1 trial done, saving and testing the best model" in status(progress)


def test_watching_costs_little() -> None:
    trials = 1000
    feed = Fed(display_callbacks(True, stream=Terminal()), Budget(trials=trials))
    steps = [begin(trials), *(train(number, 0.5) for number in range(trials))]
    for events in steps:
        for event in events:
            feed.record.apply(event)
    with feed.callbacks:
        began = time.process_time()
        for events in steps:
            feed.callbacks(feed.record, events)
        spent = time.process_time() - began
    # seconds per trial of four epochs; 0.0001 on the machine where this was written
    assert spent / trials < 0.0005


def test_a_notebook_shows_a_bar_and_the_best_trials() -> None:
    progress = StudyProgress()
    display = NotebookDisplay(progress, "Loading <data> ...")
    assert "Loading &lt;data&gt; ..." in display._repr_html_()
    study = Fed([progress, display])
    study(*begin())
    study(*train(0, 0.5), *train(1, 0.9), *train(2, None), TrialStarted(3, "p", {}))
    shown = display._repr_html_()
    assert '<progress max="1" value="0.3750"' in shown  # three of eight
    assert "3 of 8 trials done" in shown
    assert "1 trial training, " in shown
    assert ", 1 trial failed" in shown
    assert shown.index("rate 0.002, [red] [bold]") < shown.index("rate 0.001, [red] [bold]")
    assert "3 of 8 trials done" in repr(display)
    study(Noted("<b>alone</b>"), *train(3, 0.7), SessionEnded("<it> was enough", 1.0))
    shown = display._repr_html_()
    assert "&lt;b&gt;alone&lt;/b&gt;" in shown
    assert "The study ended: &lt;it&gt; was enough." in shown
    assert "<progress" not in shown


class ZMQInteractiveShell:
    """A kernel's shell, as IPython names it."""


class Shell(ZMQInteractiveShell):
    """That of Colab."""


class TerminalInteractiveShell:
    """IPython on a terminal."""


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (ZMQInteractiveShell(), True),
        (Shell(), True),
        (TerminalInteractiveShell(), False),
        (None, False),
    ],
)
def test_a_notebook_is_known_by_its_shell(
    monkeypatch: pytest.MonkeyPatch, shell: object, expected: bool
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    shown = display_callbacks("auto")
    assert in_notebook() is expected
    assert any(isinstance(one, NotebookDisplay) for one in shown) is expected
    assert not any(isinstance(one, NotebookDisplay) for one in display_callbacks(False))


def test_outside_a_notebook_there_is_no_notebook_display() -> None:
    assert not in_notebook()
    assert not any(isinstance(one, NotebookDisplay) for one in display_callbacks(True))
