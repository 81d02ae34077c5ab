"""The display: right numbers, plain lines without control characters, and next to no cost."""

import io
import time

import pytest

from paceline.core import TrialState, Value
from paceline.core.events import (
    EpochMeasured,
    Event,
    Noted,
    ProgramCompiled,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.report import watch
from paceline.report.display import best, status
from paceline.report.tally import Tally
from paceline.space import Choice, Float, Space
from paceline.study import Record

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


def feed(tally: Tally, record: Record, *events: Event) -> None:
    for event in events:
        record.apply(event)
    tally.take(record, events)


def test_a_tally_counts_trials_lanes_and_the_best() -> None:
    tally, record = Tally(8, None), Record()
    feed(tally, record, *begin())
    assert (tally.total, tally.ended, tally.running, tally.best) == (8, 0, 0, None)
    feed(tally, record, *train(0, 0.5), *train(1, 0.75), *train(2, None))
    feed(tally, record, *train(3, 0.25)[:3], ProgramCompiled("p", 4, 1.0, 1))
    assert (tally.ended, tally.failed, tally.running, tally.compiled) == (3, 1, 1, 1)
    assert tally.best == (1, 0.75)
    assert tally.fraction() == pytest.approx(3.5 / 8)
    feed(tally, record, TrialPaused(3, "enough"))
    assert tally.running == 0


def test_model_steps_are_counted_from_rows_and_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tally, record = Tally(8, None), Record()
    feed(tally, record, *begin())
    feed(tally, record, *train(0, 0.5)[:1])
    now = 102.0
    feed(tally, record, *train(0, 0.5)[1:])
    assert tally.steps_per_second() == pytest.approx(4 * 40 / 2.0)
    left = tally.seconds_left()
    assert left == pytest.approx(7 * 2.0)
    now = 300.0
    assert tally.steps_per_second() < 1


def test_trials_of_an_earlier_session_count_as_done_but_not_as_fast() -> None:
    record = Record()
    for event in (*begin(), *train(0, 0.5), *train(1, 0.75)):
        record.apply(event)
    tally = Tally(8, None)
    feed(tally, record, SessionStarted({}))
    assert (tally.ended, tally.best) == (2, (1, 0.75))
    assert tally.seconds_left() is None
    # an epoch of a trial that goes on from a snapshot comes without a start
    feed(tally, record, EpochMeasured(2, 3, {"val_accuracy": 0.1}, 0.3))
    assert tally.running == 1


def test_time_left_keeps_to_the_budget() -> None:
    tally, record = Tally(None, 60.0), Record()
    feed(tally, record, *begin())
    left = tally.seconds_left()
    assert left is not None
    assert 59 < left <= 60


def test_plain_lines_have_no_control_characters_and_escape_nothing_twice() -> None:
    stream = io.StringIO()
    with watch(True, trials=8, stream=stream) as display:
        assert display is not None
        record = Record()
        for events in (
            begin(),
            [Noted("half of [red] rows are empty")],
            train(0, 0.5),
            train(1, 0.75),
        ):
            for event in events:
                record.apply(event)
            display(record, events)
    told = stream.getvalue()
    assert told.splitlines()[0].endswith("...")
    assert "Note: half of [red] rows are empty\n" in told
    assert "2 of 8 trials done" in told.splitlines()[-1]
    assert "best val_accuracy 0.75 (trial 1)" in told.splitlines()[-1]
    assert told.replace("\n", "").isprintable()


def test_nothing_is_shown_where_nothing_is_wanted() -> None:
    for wanted, stream in ((False, Terminal()), ("auto", io.StringIO())):
        with watch(wanted, stream=stream) as display:  # type: ignore[arg-type]
            assert display is None
        assert stream.getvalue() == ""


def test_the_live_display_shows_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    with watch("auto", trials=8, stream=stream) as display:
        assert display is not None
        record = Record()
        for events in (begin(), train(0, 0.5), train(1, 0.75)[:3], [Noted("a [bold] note")]):
            for event in events:
                record.apply(event)
            display(record, events)
    told = stream.getvalue()
    for words in (
        "1 of 8 trials done",
        "1 lane running",
        "val_accuracy 0.5, trial 0",
        "[red] [bold]",
        "a [bold] note",
    ):
        assert words in told


def test_sentences_before_and_after() -> None:
    tally, record = Tally(1, None), Record()
    assert best(tally) == ""
    feed(tally, record, *begin(1))
    assert "0 of 1 trial done, preparing the next networks" in status(tally)
    feed(tally, record, *train(0, 0.5))
    assert "1 of 1 trial done, saving and testing the best model" in status(tally)


def test_watching_costs_little() -> None:
    trials = 1000
    record = Record()
    steps = [begin(trials), *(train(number, 0.5) for number in range(trials))]
    for events in steps:
        for event in events:
            record.apply(event)
    with watch(True, trials=trials, stream=Terminal()) as display:
        assert display is not None
        began = time.process_time()
        for events in steps:
            display(record, events)
        spent = time.process_time() - began
    assert (
        spent / trials < 0.0005
    )  # seconds per trial of four epochs; 0.00003 on the machine where this was written
