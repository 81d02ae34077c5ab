"""Changes of the system clock during a study."""

import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from paceline.core.events import Event, Noted, SessionEnded, SessionStarted
from paceline.report import read
from paceline.store import Stored, StudyStore
from paceline.store.writer import process_of, this_process
from paceline.study.record.timeline import Clock, timeline

HOUR = 3600.0


def set_clock(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    """The system's clock is set, and with it the time at which the machine was started."""
    now, system = time.time, psutil._psplatform  # type: ignore[attr-defined]
    started = system.boot_time
    monkeypatch.setattr(time, "time", lambda: now() + by)
    monkeypatch.setattr(system, "boot_time", lambda: started() + by)


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_study_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    store = StudyStore(tmp_path, writable=True)
    try:
        store.append([SessionStarted({})])
        set_clock(monkeypatch, by)
        store.append([Noted("later")])
        times = [stored.time for stored in store.events()]
        assert all(0 <= later - earlier < HOUR / 2 for earlier, later in pairwise(times))
        assert read(tmp_path).state == "running"
        assert 0 <= read(tmp_path).seconds < HOUR / 2
    finally:
        store.close()


def test_processes_with_equal_ids_are_distinguished() -> None:
    writer = this_process()
    assert process_of(writer) == writer["pid"]
    assert process_of({**writer, "began": float(writer["began"]) - 60}) is None
    assert process_of({**writer, "host": "elsewhere"}) is None
    old = {name: value for name, value in writer.items() if name != "began"}
    assert process_of(old) == writer["pid"]
    assert process_of({**old, "since": 0.0}) is None
    assert process_of(None) is None


def test_events_of_a_clock_that_was_set_back() -> None:
    events: list[Event] = [SessionStarted({}), Noted("a"), Noted("b"), Noted("c")]
    stored = [
        Stored(i, at, event)
        for i, (at, event) in enumerate(zip([500, 390, 395, 510], events, strict=True))
    ]
    assert seconds(stored) == 10
    assert timeline(stored).seconds == 10
    assert seconds([*stored[:3], Stored(9, 380, SessionEnded("done", 3.0))]) == 3


def seconds(stored: list[Stored]) -> float:
    clock = Clock()
    for one in stored:
        clock.take(one)
    return clock.seconds
