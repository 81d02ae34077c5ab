"""A PostgreSQL server that does not answer and keeps its connections: it counts as away."""

import logging
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store.postgres_server import PASSWORD, Server
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import PacelineError, StudyLocked, StudyWarning
from paceline.core.events import Noted
from paceline.store import Store, open_store, study_directory
from paceline.store.postgres.schema import LOCKS

_LIMIT = 60.0  # seconds for what happens at once
_SOON = "answer=0.3&connect_timeout=2"  # psycopg allows no shorter one


class Gone(logging.Handler):
    """Sets an event when the log says that the server cannot be used."""

    def __init__(self) -> None:
        super().__init__()
        self.said = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "cannot be used" in record.getMessage():
            self.said.set()


@pytest.fixture
def gone() -> Iterator[threading.Event]:
    log, handler = logging.getLogger("paceline.store"), Gone()
    log.addHandler(handler)
    yield handler.said
    log.removeHandler(handler)


def events_of(store: Store) -> list[object]:
    return [one.event for one in store.events()]


def bowl(hp: paceline.HyperParameters) -> float:
    return float((hp.Float("x", 0, 1) - 0.3) ** 2)


class Freezing:
    """The function `bowl`, in whose fourth call the server freezes."""

    def __init__(self, server: Server) -> None:
        self.server, self.num_calls = server, 0

    def __call__(self, hp: paceline.HyperParameters) -> float:
        self.num_calls += 1
        if self.num_calls == 4:
            self.server.freeze()
        return bowl(hp)


OPTIONS: dict[str, Any] = {"seed": 3, "display": False, "final": False, "trials": 8}


def tried(study: paceline.Study) -> list[tuple[object, float | None]]:
    return [(t.config, t.score) for t in study.trials]


def test_a_study_waits_for_a_server_that_hangs(
    url: str, frozen: Server, gone: threading.Event, tmp_path: Path
) -> None:
    """It says so, and is the study that it would have been."""

    def thaw() -> None:
        assert gone.wait(_LIMIT)
        frozen.thaw()

    with ThreadPoolExecutor(1) as thread:
        thawing = thread.submit(thaw)
        with pytest.warns(StudyWarning) as warned:
            study = paceline.optimize(Freezing(frozen), "min", study=f"{url}?{_SOON}", **OPTIONS)
        thawing.result(_LIMIT)
    said = [str(one.message) for one in warned]
    assert "cannot be used since" in said[0]
    assert "the study waits for it, at most 300 s" in said[0]
    assert "is there again after" in said[1]
    assert not (study.directory / "unstored.json").exists()
    other = paceline.optimize(bowl, "min", study=tmp_path / "s", **OPTIONS)
    assert tried(paceline.load_study(url)) == tried(other)


def test_a_server_that_hangs_for_longer(url: str, frozen: Server) -> None:
    """One clear error; nothing is lost when the study is resumed."""
    address = f"{url}?{_SOON}&wait=3"
    with (
        pytest.raises(PacelineError) as error,
        pytest.warns(StudyWarning, match=r"cannot be used since .* at most 3 s"),
    ):
        paceline.optimize(Freezing(frozen), "min", study=address, **OPTIONS)
    said, whole = str(error.value), "".join(traceback.format_exception(error.value))
    assert whole.count("Traceback") == 1, "the drivers' errors say nothing more"
    assert "was not there again within" in said
    assert "unstored.json" in said
    assert PASSWORD not in said
    assert "\n" not in said
    frozen.thaw()
    again = paceline.resume(url, bowl, display=False)
    assert [t.score for t in again.trials] == [bowl_of(t.config) for t in again.trials]
    assert len(again.trials) == 8


def bowl_of(config: Any) -> float:
    return float((config["x"] - 0.3) ** 2)


def test_readers_of_a_server_that_hangs(url: str, frozen: Server) -> None:
    """They say so on one line, whether they are connected or not."""
    paceline.optimize(bowl, "min", study=url, **OPTIONS)
    address = f"{url}?{_SOON}"
    reader = open_store(study_directory(address), writable=False)
    before = reader.last()
    frozen.freeze()
    with pytest.raises(PacelineError, match="cannot be used"):
        reader.last()
    shown = CliRunner().invoke(app, ["show", address])
    assert shown.exit_code != 0
    assert "cannot be used" in " ".join(shown.output.split())
    assert PASSWORD not in shown.output
    frozen.thaw()
    assert reader.last() == before
    reader.close()


SESSIONS = (
    "SELECT pid FROM pg_locks l JOIN paceline_studies s ON l.objid = s.id "
    "WHERE l.locktype = 'advisory' AND l.granted AND s.name = %s"
)
WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND clock_timestamp() - query_start > interval '0.5 s'"
)
TERMINATED = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def until(connection: psycopg.Connection[Any], query: str) -> None:
    """Waits until a query has rows."""
    ends = time.monotonic() + _LIMIT
    while not connection.execute(query.encode()).fetchall():
        assert time.monotonic() < ends


def freeze_writer(server: Server, other: psycopg.Connection[Any], url: str) -> int:
    """Freezes the session that has the lock of a study."""
    found = other.execute(SESSIONS, (url.rpartition("/")[2],)).fetchall()
    assert len(found) == 1
    server.freeze(found[0][0])
    return int(found[0][0])


def test_a_session_that_hangs(url: str, frozen: Server, gone: threading.Event) -> None:
    """As one does whose packets are dropped while the server answers others."""
    store = open_store(study_directory(f"{url}?{_SOON}"), writable=True)
    store.append([Noted("a")])
    with (
        psycopg.connect(frozen.dsn(), autocommit=True) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        freeze_writer(frozen, other, url)
        waiting = thread.submit(store.append, [Noted("b")], {"turns": "b"})
        until(other, TERMINATED)  # the new session has ended the old one, which has its lock still
        frozen.thaw()
        waiting.result(_LIMIT)
    assert events_of(store) == [Noted("a"), Noted("b")]
    assert not gone.is_set()
    with pytest.raises(StudyLocked):
        open_store(study_directory(url), writable=True)
    store.close()


@pytest.mark.exhaustive
def test_a_session_that_hangs_with_its_lock(
    url: str, frozen: Server, gone: threading.Event
) -> None:
    """The study waits for it as for the server: nobody else writes it."""
    store = open_store(study_directory(f"{url}?{_SOON}"), writable=True)
    with (
        psycopg.connect(frozen.dsn(), autocommit=True) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        freeze_writer(frozen, other, url)
        waiting = thread.submit(store.append, [Noted("a")])
        assert gone.wait(_LIMIT)
        frozen.thaw()
        waiting.result(_LIMIT)
    assert events_of(store) == [Noted("a")]
    store.close()


def test_a_table_that_somebody_locks(url: str, server: Server, gone: threading.Event) -> None:
    """For longer than a server may be silent: the study says that it waits."""
    store = open_store(study_directory(f"{url}?{_SOON}"), writable=True)
    store.append([Noted("a")], durable=True)
    with psycopg.connect(server.dsn()) as other, ThreadPoolExecutor(1) as thread:
        other.execute("LOCK TABLE paceline_events")
        waiting = thread.submit(store.append, [Noted("b")], {"turns": "b"})
        assert gone.wait(_LIMIT)
        other.commit()
        waiting.result(_LIMIT)
    assert events_of(store) == [Noted("a"), Noted("b")]
    assert store.value("turns") == "b"
    store.close()


def test_what_takes_its_time_is_waited_for(server: Server) -> None:
    """Tables that another process creates at this moment, as it may take long."""
    database = f"d{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    url = f"{server.dsn(database)}/s?{_SOON}"
    with (
        psycopg.connect(server.dsn(database)) as other,
        psycopg.connect(server.dsn(database), autocommit=True) as looking,
        ThreadPoolExecutor(1) as thread,
    ):
        other.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCKS,))
        opening = thread.submit(lambda: open_store(study_directory(url), writable=True))
        until(looking, WAITING)
        other.commit()
        opening.result(_LIMIT).close()
