"""What a study says of itself: running, interrupted, killed, with failures and with numbers that
are not finite.
"""

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from paceline.core import InvalidInput, TrialState, Value
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
    TrialStarted,
)
from paceline.report import read, text
from paceline.space import Choice, Float, Space
from paceline.store import StudyStore

SPACE = Space({"rate": Float(1e-4, 1e-1, sampling="log"), "[red]": Choice(["[bold]", "b"])})
BEGIN: list[Event] = [
    StudyCreated(
        1,
        {"metric": "val_loss", "direction": "minimize"},
        {"name": "[i]mine", "fingerprint": "", "rows": {"train": 1280, "val": 158, "test": 0}},
        {"epochs": 1, "batch_size": 32, "trials": 3, "search": "random"},
    ),
    SessionStarted({"keras": "3"}),
    SpaceChanged(SPACE.to_json()),
    Noted("One [red] note."),
]
FAILURE = (
    'Traceback (most recent call last):\n  File "m.py", line 3, in build\n    raise\nValueError: '
    "[bold]no[/bold]\n"
)


def trial(number: int, score: float | None) -> list[Event]:
    config: dict[str, Value] = {"rate": 0.001 * (number + 1), "[red]": "[bold]"}
    ended = TrialEnded(number, TrialState.COMPLETED, score, 1, "")
    if score is None:
        ended = TrialEnded(number, TrialState.FAILED, None, None, FAILURE)
    metrics = {"loss": float("nan"), "val_loss": score or 0.0}
    start: list[Event] = [
        TrialAsked(number, config, 0, 1, "random"),
        TrialStarted(number, "p", config),
    ]
    return [*start, EpochMeasured(number, 1, metrics, 0.5), ended]


def write(directory: Path, *events: Event, alive: bool = False) -> Path:
    store = StudyStore(directory, writable=True)
    values = (
        None if alive else {"writer": {"pid": 2**22 + 5, "host": os.uname().nodename, "since": 0.0}}
    )
    store.append(events, values)
    store.close()
    return directory


def shown(directory: Path, width: int = 120) -> str:
    stream = io.StringIO()
    text.show(read(directory), Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_best_first_and_earlier_first_among_equals(tmp_path: Path) -> None:
    study = write(
        tmp_path,
        *BEGIN,
        *trial(0, 0.5),
        *trial(1, 0.25),
        *trial(2, 0.25),
        SessionEnded("enough", 3.0),
    )
    assert [t.number for t in read(study).ranked] == [1, 2, 0]


def test_a_finished_study(tmp_path: Path) -> None:
    compiled = ProgramCompiled("p", 4, 1.5, 1)
    events = [
        *BEGIN,
        compiled,
        *trial(0, 0.5),
        *trial(1, 0.25),
        *trial(2, None),
        SessionEnded("enough", 3.0),
    ]
    summary = read(write(tmp_path, *events))
    assert (summary.state, summary.seconds) == ("finished", 3.0)
    told = shown(tmp_path)
    for words in (
        "minimize val_loss on [i]mine (1,280 training rows, 158 validation rows).",
        "It is finished: enough. 3 trials (2 completed, 1 failed) in 3.0 s.",
        "Best configuration (trial 1):",
        "1 trial failed (2): ValueError: [bold]no[/bold]",
        "The trials shared 1 compiled model, compiled from scratch. Compilation took 1.5 s.",
        "Note: One [red] note.",
        "[bold]",
    ):
        assert words in told
    assert "resume" not in told


def test_a_running_an_interrupted_and_a_killed_study(tmp_path: Path) -> None:
    running = write(tmp_path / "running", *BEGIN, *trial(0, 0.5), alive=True)
    assert read(running).state == "running"
    assert f"It is running in process {os.getpid()}." in shown(running)
    interrupted = write(tmp_path / "interrupted", *BEGIN, SessionEnded("interrupted", 1.0))
    assert read(interrupted).state == "interrupted"
    call = f"paceline.resume({str(interrupted)!r}, build=build, data=data)"
    assert f"Continue in Python: {call}" in shown(interrupted).replace("\n", "")
    killed = write(tmp_path / "killed", *BEGIN, *trial(0, 0.5))
    assert read(killed).state == "killed"
    assert "Process died (killed, or power loss)" in shown(killed)


def test_json_is_strict(tmp_path: Path) -> None:
    study = write(tmp_path, *BEGIN, *trial(0, 0.5), *trial(1, None))
    told = json.loads(json.dumps(read(study).to_json(), allow_nan=False))
    assert told["trials"][0]["metrics"]["loss"] is None
    assert told["trials"][1]["error"] == FAILURE
    assert told["best"]["number"] == 0
    assert told["test"] is None


def test_a_narrow_terminal_gets_one_column_for_all(tmp_path: Path) -> None:
    study = write(tmp_path, *BEGIN, *trial(0, 0.5), *trial(1, 0.25))
    assert "configuration" in shown(study, width=40)
    assert "configuration " not in shown(study, width=120).split("Best configuration")[0]


def test_a_directory_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="contains no study"):
        read(tmp_path)


def test_a_study_without_events_has_not_begun(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    out = io.StringIO()
    text.show(read(tmp_path), Console(file=out))
    assert "has not begun" in out.getvalue()
    assert read(tmp_path).to_json()["trials"] == []
