"""A PostgreSQL server that goes away while a study is written: nothing is lost."""

import logging
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.store.postgres_server import PASSWORD, Server
from tests.web.by_hand import beginning
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import PacelineError, StudyLocked, StudyWarning
from paceline.core.events import Noted
from paceline.store import Store, has_study, open_store, study_directory

_LIMIT = 60.0  # seconds for what happens at once


class Seen(logging.Handler):
    """Sets an event when the log says that the server is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if "cannot be used" in self.lines[-1]:
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


def tried(study: paceline.Study) -> list[tuple[object, float | None]]:
    return [(t.config, t.score) for t in study.trials]


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
        with pytest.warns(StudyWarning) as warned:
            study = paceline.optimize(interrupted, "min", study=url, **options)
        starting.result(_LIMIT)
    said = [str(one.message) for one in warned]
    assert "cannot be used since" in said[0]
    assert "the study waits for it, at most 300 s" in said[0]
    assert "is there again after" in said[1]
    log = (study.directory / "paceline.log").read_text("utf-8")
    assert all(f"note: {text}" in log for text in said)
    assert not (study.directory / "unstored.json").exists()
    other = paceline.optimize(bowl, "min", study=tmp_path / "s", **options)
    assert tried(paceline.load_study(url)) == tried(other)
    assert len(study.trials) == len(calls) == 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_networks_wait_for_the_server(
    url: str, down: Any, seen: Seen, tmp_path: Path, mode: str
) -> None:
    """Their weights and scores are those of a study without an interruption."""
    digits = paceline.data.load("digits")

    class Interrupts(paceline.callbacks.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if not seen.gone.is_set() and not down.is_down():
                down(mode)

    def start_again() -> None:
        assert seen.gone.wait(_LIMIT)
        down.start()

    options: dict[str, Any] = {"epochs": 3, "trials": 6, "seed": 3, "display": False, "final": 2}
    given: list[Any] = [small, digits, "val_accuracy"]
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start_again)
        with pytest.warns(StudyWarning):
            study = paceline.tune(*given, study=url, callbacks=[Interrupts()], **options)
        starting.result(_LIMIT)
    other = paceline.tune(*given, study=tmp_path / "s", **options)
    assert tried(paceline.load_study(url)) == tried(other)
    x = digits.x_test[:10]
    first, second = (one.best_model().predict(x, verbose=0) for one in (study, other))
    assert (first == second).all()


def small(hp: paceline.HyperParameters) -> Any:
    import keras

    model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(hp.Choice("units", [8, 12]), activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-1, sampling="log"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_server_that_stays_away(url: str, down: Any, seen: Seen) -> None:
    """One clear line after the time that the address says; the study can be resumed then."""
    calls: list[int] = []

    def interrupted(hp: paceline.HyperParameters) -> float:
        calls.append(1)
        if len(calls) == 4:
            down()
        return bowl(hp)

    options: dict[str, Any] = {"seed": 3, "display": False, "final": False, "trials": 8}
    with pytest.raises(PacelineError) as error, pytest.warns(StudyWarning, match="at most 0.3 s"):
        paceline.optimize(interrupted, "min", study=f"{url}?wait=0.3", **options)
    said, whole = str(error.value), "".join(traceback.format_exception(error.value))
    assert whole.count("Traceback") == 1, "the drivers' errors say nothing more"
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


def test_what_can_neither_be_stored_nor_kept_is_said(url: str, down: Any) -> None:
    """Ctrl+C ends the writer all the same; later work fails at once."""

    class Interrupts(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "cannot be used" in record.getMessage():
                signal.raise_signal(signal.SIGINT)

    directory = study_directory(url)
    writer = open_store(directory, writable=True)
    writer.append([Noted("a")])
    (directory / "unstored.json").mkdir()
    log, handler = logging.getLogger("paceline.store"), Interrupts()
    log.addHandler(handler)
    down()
    try:
        with pytest.raises(KeyboardInterrupt):
            writer.append([Noted("b")])
    finally:
        log.removeHandler(handler)
    with pytest.raises(PacelineError, match=r"could not be kept either .*unstored.json"):
        writer.append([Noted("c")])
    writer.close()


def test_that_a_study_has_begun_is_never_lost(url: str, down: Any) -> None:
    """Its first events are on the server's disk at once: it is no other study after a crash."""
    directory = study_directory(url)
    writer = open_store(directory, writable=True)
    writer.append([Noted("a")])
    down()
    down.start()
    reader = open_store(directory, writable=False)
    assert events_of(reader) == [Noted("a")]
    reader.close()
    writer.close()


@pytest.mark.parametrize("stored", [0, 1, 20])
@pytest.mark.parametrize("way", ["resume", "optimize"])
def test_what_could_not_be_stored_is_part_of_the_study_that_continues(
    url: str, down: Any, tmp_path: Path, way: str, stored: int
) -> None:
    """Also the whole study, if its server went away before its first event was stored."""
    options: dict[str, Any] = {"seed": 3, "display": False, "final": False, "search": "random"}
    other = paceline.optimize(bowl, "min", study=tmp_path / "s", trials=5, **options)
    source = open_store(tmp_path / "s", writable=False)
    events, state = events_of(source), {"strategy": source.value("strategy")}
    directory = study_directory(url)
    writer = open_store(study_directory(f"{url}?wait=0.3"), writable=True)
    assert writer.directory == directory
    for event in events[:stored]:
        writer.append([event])  # type: ignore[list-item]
    down()
    with pytest.raises(PacelineError, match="was not there again"):
        writer.append(events[stored:], state)  # type: ignore[arg-type]
    writer.close()
    source.close()
    down.start()
    if way == "resume":
        again = paceline.resume(url, bowl, trials=8, display=False)
    else:
        again = paceline.optimize(bowl, "min", study=url, trials=8, **options)
    assert not (directory / "unstored.json").exists()
    assert tried(again)[:5] == tried(other)
    assert [t.score is not None for t in again.trials] == [True] * 8


def test_asking_and_telling_say_that_they_wait(url: str, down: Any, seen: Seen) -> None:
    def start_again() -> None:
        assert seen.gone.wait(_LIMIT)
        down.start()

    space = {"x": paceline.Float(0, 1)}
    with paceline.open_study(url, space, "min", search="random") as study:
        trial = study.ask()
        down()
        with ThreadPoolExecutor(1) as thread:
            starting = thread.submit(start_again)
            with pytest.warns(StudyWarning) as warned:
                study.tell(trial, 1.0)
            starting.result(_LIMIT)
    said = [str(one.message) for one in warned]
    assert "the study waits for it, at most 300 s" in said[0]
    assert "is there again after" in said[1]
    assert paceline.load_study(url).best.score == 1.0


ENDS_ALL = (
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN paceline_studies s "
    "ON l.objid = s.id WHERE l.locktype = 'advisory' AND s.name = '{name}'"
)


def end_connection(server: Server, name: str) -> None:
    """Ends the connection that holds the lock of a study."""
    server.execute(ENDS_ALL.format(name=name))


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


KILLED = """
import sys
import paceline

def bowl(hp):
    x = hp.Float("x", 0, 1)
    if x and sys.stdin.readline() == "":  # the parent says when to go on
        return
    return (x - 0.3) ** 2

options = dict(seed=3, display=False, final=False, trials=8, search="random")
paceline.optimize(bowl, "min", study=sys.argv[1], **options)
"""


@pytest.mark.exhaustive
def test_a_process_that_is_killed_while_it_waits(url: str, down: Any, tmp_path: Path) -> None:
    """What it could not store is on its machine: the next session there stores it."""
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    command, pipe = [sys.executable, str(script), url], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        directory = study_directory(url)
        until(lambda: has_study(directory) and open_study(url) > 0)
        down()
        process.stdin.write("\n")
        process.stdin.flush()
        assert "cannot be used since" in process.stderr.readline()
        process.kill()
    down.start()
    before = len(paceline.load_study(url).record.trials)
    for look in ("show", "doctor"):
        assert "unstored.json" in CliRunner().invoke(app, [look, url]).output
    open_store(directory, writable=True).close()
    assert not (directory / "unstored.json").exists()
    after = paceline.load_study(url)
    assert sum(t.score is not None for t in after.trials) >= 2
    assert len(after.record.trials) >= before


def test_what_could_not_be_stored_is_kept_if_the_server_has_lost_the_study(
    url: str, down: Any, server: Server
) -> None:
    """As one does that was restored from a backup: another one may still have it."""
    writer = open_store(study_directory(f"{url}?wait=0.3"), writable=True)
    down()
    with pytest.raises(PacelineError, match="was not there again"):
        writer.append([Noted("a")])
    writer.close()
    down.start()
    server.execute(f"DELETE FROM paceline_studies WHERE name = '{url.rpartition('/')[2]}'")
    with pytest.raises(PacelineError, match="contains no study"):
        paceline.resume(url, bowl, display=False)
    assert (study_directory(url) / "unstored.json").exists()


NOT_BEGUN = """
import sys
from paceline.core.events import Noted
from paceline.store import open_store, study_directory

writer = open_store(study_directory(sys.argv[1]), writable=True)
print("open", flush=True)
sys.stdin.readline()
writer.append([Noted("a")])
"""


def test_a_process_that_is_killed_before_its_study_has_begun(url: str, down: Any) -> None:
    command, pipe = [sys.executable, "-c", NOT_BEGUN, f"{url}?wait=0.3"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        down()
        _, said = process.communicate("\n", _LIMIT)
        assert "was not there again" in said
    down.start()
    shown = CliRunner().invoke(app, ["show", url]).output
    assert "has not begun" in shown
    assert "what it could not store is in unstored.json" in " ".join(shown.split())


def open_study(url: str) -> int:
    """The number of trials of a study that have a score."""
    return sum(t.score is not None for t in paceline.load_study(url).trials)


def until(holds: Any) -> None:
    """Waits until something holds."""
    ends = time.monotonic() + _LIMIT
    while not holds():
        assert time.monotonic() < ends


def appended_while(store: Store, server: Server, seen: Seen, begin: str, end: str) -> None:
    """Appends while the server refuses to write, which a statement begins and another one ends."""
    server.execute(begin)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(store.append, [Noted("b")], {"turns": "b"})
        try:
            assert seen.gone.wait(_LIMIT)
        finally:
            server.execute(end)
        waiting.result(_LIMIT)


def test_a_server_that_only_reads_for_a_time(url: str, server: Server, seen: Seen) -> None:
    """As one does that became the standby of another one."""
    store = open_store(study_directory(url), writable=True)
    store.append([Noted("a")])
    role = "ALTER ROLE tester SET default_transaction_read_only"
    begin = f"{role}=on; {ENDS_ALL.format(name=url.rpartition('/')[2])}"
    end = "BEGIN READ WRITE; ALTER ROLE tester RESET ALL; COMMIT"
    appended_while(store, server, seen, begin, end)
    assert events_of(store) == [Noted("a"), Noted("b")]
    store.close()


def test_a_statement_that_somebody_cancels(url: str, server: Server) -> None:
    import psycopg

    store = open_store(study_directory(url), writable=True)
    waits = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(server.dsn()) as other, ThreadPoolExecutor(1) as thread:
        other.execute("LOCK TABLE paceline_events")
        waiting = thread.submit(store.append, [Noted("a")])
        until(lambda: other.execute(waits).fetchall())
        other.commit()
        waiting.result(_LIMIT)
    assert events_of(store) == [Noted("a")]
    store.close()


def test_a_session_that_was_idle_for_too_long(url: str, server: Server) -> None:
    """Some servers end those; a network may train for longer than that."""
    import psycopg

    store = open_store(
        study_directory(f"{url}?options=-c%20idle_session_timeout%3D50"), writable=True
    )
    name = url.rpartition("/")[2]
    held = f"SELECT 1 FROM pg_locks l JOIN paceline_studies s ON l.objid = s.id AND name = '{name}'"
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        until(lambda: not other.execute(held.encode()).fetchall())
    store.append([Noted("a")])
    reader = open_store(study_directory(url), writable=False)
    assert events_of(reader) == [Noted("a")]
    reader.close()
    store.close()


def test_a_study_that_runs_on_another_machine(url: str) -> None:
    """Its readers see that it runs, and when it does not any more."""
    store = open_store(study_directory(url), writable=True)
    writer = {"pid": 17, "host": "elsewhere", "since": 0.0}
    store.append(beginning(), {"writer": writer}, durable=True)
    for command, said in (("show", "is running in"), ("doctor", "is being written by")):
        output = CliRunner().invoke(app, [command, url]).output
        assert f"It {said} process 17 on elsewhere." in " ".join(output.split())
    store.close()
    assert "Process died" in CliRunner().invoke(app, ["show", url]).output
