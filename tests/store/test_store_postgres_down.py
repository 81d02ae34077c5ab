"""A PostgreSQL server that goes away while a study is written: nothing is lost."""

import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.store.postgres_server import PASSWORD, Server

import paceline
from paceline.core import PacelineError, StudyLocked
from paceline.core.events import Noted
from paceline.store import Store, open_store, study_directory

_LIMIT = 60.0  # seconds for what happens at once


class Seen(logging.Handler):
    """Sets an event when the log says that the server is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if "is gone" in self.lines[-1]:
            self.gone.set()


@pytest.fixture
def seen() -> Iterator[Seen]:
    log, handler = logging.getLogger("paceline.store"), Seen()
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def events_of(store: Store) -> list[object]:
    return [one.event for one in store.events()]


def test_what_a_crashed_server_has_lost_is_appended_again(
    url: str, down: Any, seen: Seen, server: Server
) -> None:
    """Transactions do not wait for the server's disk; also the values and the ids are right."""
    directory = study_directory(url)
    writer = open_store(directory, writable=True)
    reader = open_store(directory, writable=False)
    texts = [str(number) for number in range(30)]
    for text in texts[:20]:
        writer.append([Noted(text)], {"turns": text})
    assert len(events_of(reader)) == 20
    down()
    with pytest.raises(PacelineError, match="cannot be used") as error:
        reader.last()
    assert PASSWORD not in str(error.value)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(writer.append, [Noted(text) for text in texts[20:]])
        assert seen.gone.wait(_LIMIT)
        down.start()
        waiting.result(_LIMIT)
    for one in (writer, reader):
        assert events_of(one) == [Noted(text) for text in texts]
        assert one.value("turns") == "19"
    with pytest.raises(StudyLocked):  # it has its lock again
        open_store(study_directory(url), writable=True)
    writer.close()
    reader.close()
    assert "is there again" in seen.lines[-1]
    assert all(PASSWORD not in line for line in seen.lines)


def bowl(hp: paceline.HyperParameters) -> float:
    return float((hp.Float("x", 0, 1) - 0.3) ** 2)


def test_a_study_waits_for_its_server(
    url: str, down: Any, seen: Seen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study is the one that it would have been."""
    calls: list[int] = []

    def interrupted(hp: paceline.HyperParameters) -> float:
        calls.append(1)
        if len(calls) == 4:
            down()
        return bowl(hp)

    def start_again() -> None:
        assert seen.gone.wait(_LIMIT)
        down.start()

    options: dict[str, Any] = {"seed": 3, "display": False, "final": False, "trials": 8}
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start_again)
        study = paceline.optimize(interrupted, "min", study=url, **options)
        starting.result(_LIMIT)
    other = paceline.optimize(bowl, "min", study=tmp_path / "s", **options)
    first, second = (
        [(t.config, t.score) for t in one.trials] for one in (paceline.load_study(url), other)
    )
    assert first == second
    assert len(study.trials) == len(calls) == 8


def test_a_server_that_stays_away(url: str, down: Any, seen: Seen) -> None:
    """One clear line after the time that the address says; the study can be resumed then."""
    calls: list[int] = []

    def interrupted(hp: paceline.HyperParameters) -> float:
        calls.append(1)
        if len(calls) == 4:
            down()
        return bowl(hp)

    options: dict[str, Any] = {"seed": 3, "display": False, "final": False, "trials": 8}
    with pytest.raises(PacelineError) as error:
        paceline.optimize(interrupted, "min", study=f"{url}?wait=0.3", **options)
    said = str(error.value)
    assert "was not there again within" in said
    assert "paceline resume" in said
    assert "\n" not in said
    assert PASSWORD not in said
    down.start()
    assert paceline.load_study(url).record.ended is None
    directory = study_directory(url)
    assert (directory / "unstored.json").exists()
    open_store(directory, writable=True).close()
    assert not (directory / "unstored.json").exists()
    known = sum(t.score is not None for t in paceline.load_study(url).trials)
    assert known >= 3, "the fourth may not have ended when the study did"
    again = paceline.resume(url, bowl, display=False)
    assert [t.score is not None for t in again.trials] == [True] * 8
    others = [t for t in again.trials if t.number >= known]
    assert len(others) == 8 - known


def end_connection(server: Server, name: str) -> None:
    """Ends the connection that holds the lock of a study."""
    server.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN paceline_studies s "
        f"ON l.objid = s.id WHERE l.locktype = 'advisory' AND s.name = '{name}'"
    )


def test_a_lost_connection(url: str, server: Server) -> None:
    """The writer connects again, if nobody has written the study since."""
    name = url.rpartition("/")[2]
    writer = open_store(study_directory(url), writable=True)
    writer.append([Noted("a")])
    end_connection(server, name)
    writer.append([Noted("b")])
    assert events_of(writer) == [Noted("a"), Noted("b")]
    end_connection(server, name)
    assert writer.last() == 2
    writer.close()


def test_a_study_that_another_process_has_taken_over(
    url: str, server: Server, tmp_path: Path
) -> None:
    """The first writer ends, and changes nothing."""
    writer = open_store(study_directory(url), writable=True)
    writer.append([Noted("a")])
    for elsewhere in (True, False):  # the other one still writes; it has ended
        end_connection(server, url.rpartition("/")[2])
        other = open_store(tmp_path / uuid.uuid4().hex, writable=True, store=url)
        other.append([Noted("other")])
        if elsewhere:
            with pytest.raises(StudyLocked, match="is being written by process"):
                writer.append([Noted("b")])
            other.close()
            writer.close()
            writer = open_store(study_directory(url), writable=True)
            continue
        other.close()
        for _ in range(2):
            with pytest.raises(StudyLocked, match="was taken over by another process"):
                writer.append([Noted("b")])
    writer.close()
    reader = open_store(study_directory(url), writable=False)
    assert events_of(reader) == [Noted("a"), Noted("other"), Noted("other")]
    reader.close()
