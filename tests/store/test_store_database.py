"""The SQLite store: transactions, one writer, any number of readers."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import paceline
from paceline.core import InvalidInput, StudyLocked, UnreadableStudy
from paceline.core.events import (
    Noted,
    SessionEnded,
    TrialAsked,
)
from paceline.store import StudyStore, database


def test_a_failed_append_stores_nothing(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, writable=True)
    with pytest.raises(TypeError):
        store.append([Noted("before"), TrialAsked(0, {"bad": object()}, 1, 1, "x")])  # type: ignore[dict-item]
    assert list(store.events()) == []
    store.append([Noted("after")])
    assert len(list(store.events())) == 1
    store.close()


def test_rewind_removes_later_events(tmp_path: Path) -> None:
    new = StudyStore(tmp_path / "new", writable=True)
    mark = new.mark()
    new.append([Noted("first")])
    new.rewind(mark)
    assert not (tmp_path / "new").exists()
    store = StudyStore(tmp_path / "old", writable=True)
    store.append([Noted("first"), Noted("second")], {"turns": 1})
    store.save_snapshot(1, "kept")
    mark = store.mark()
    for _ in range(2):
        store.append([Noted("third")], {"turns": 2, "strategy": 3})
        store.save_snapshot(3, "gone")
        store.rewind(mark)
        assert [one.event for one in store.events()] == [Noted("first"), Noted("second")]
        assert (store.value("turns"), store.value("strategy"), store.snapshot()) == (1, None, None)
        assert (store.num_in_snapshot, store.num_since_snapshot) == (0, 2)
    store.append([Noted("third")])
    store.close()
    reader = StudyStore(tmp_path / "old", writable=False)
    assert [one.id for one in reader.events()] == [1, 2, 3]
    reader.close()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from paceline.store import StudyStore; from paceline.core.events import Noted\n"
        "store = StudyStore(Path(sys.argv[1]), writable=True); store.append([Noted('kept')]); "
        "os.kill(os.getpid(), 9)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    )
    store = StudyStore(tmp_path, writable=True)
    assert [stored.event for stored in store.events()] == [Noted("kept")]
    with pytest.raises(StudyLocked, match=str(os.getpid())):
        StudyStore(tmp_path, writable=True)
    store.close()


def test_reading_a_missing_study(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="contains no study"):
        StudyStore(tmp_path / "none", writable=False)
    assert not (tmp_path / "none").exists()


def test_a_study_that_is_being_created_is_empty(tmp_path: Path) -> None:
    (
        tmp_path / "study.db"
    ).touch()  # what a writer leaves between opening the file and making its tables
    reader = StudyStore(tmp_path, writable=False)
    assert list(reader.events()) == []
    assert reader.value("writer") is None
    writer = StudyStore(tmp_path, writable=True)
    writer.append([Noted("made")])
    assert [stored.event for stored in reader.events()] == [Noted("made")]
    reader.close()
    writer.close()


def test_reading_other_files(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("CREATE TABLE birds (name TEXT)")
    other.close()
    before = (tmp_path / "study.db").read_bytes()
    for writable in (False, True):
        with pytest.raises(UnreadableStudy, match="is not a study of paceline"):
            StudyStore(tmp_path, writable=writable)
    assert (tmp_path / "study.db").read_bytes() == before


# -- readers leave nothing behind


def written(directory: Path, *, killed: bool) -> None:
    """A study with two events; its writer was killed, or closed it."""
    program = (
        "import os, sys; from pathlib import Path\n"
        "from paceline.store import StudyStore; from paceline.core.events import Noted\n"
        "store = StudyStore(Path(sys.argv[1]), writable=True); store.append([Noted('one')])\n"
        "store.append([Noted('two')]); os.kill(os.getpid(), 9) if sys.argv[2] == 'killed' else "
        "store.close()"
    )
    words = [sys.executable, "-c", program, str(directory), "killed" if killed else "closed"]
    subprocess.run(words, check=False)


def notes(directory: Path) -> list[str]:
    reader = StudyStore(directory, writable=False)
    found = [stored.event.text for stored in reader.events() if isinstance(stored.event, Noted)]
    reader.close()
    return found


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if not path.name.endswith("-shm")
    }


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("killed") / "s"
    written(directory, killed=True)
    return directory


LOST: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], ["one", "two"]),
    "the index of the log": (["-shm"], ["one", "two"]),
    "the log and its index": (
        ["-shm", "-wal"],
        [],
    ),  # the events are in the log, so that they are lost
}


@pytest.mark.parametrize("lost", LOST)
def test_reading_after_a_killed_writer_creates_no_file(
    tmp_path: Path, killed: Path, lost: str
) -> None:
    shutil.copytree(killed, tmp_path / "s")
    endings, expected = LOST[lost]
    for ending in endings:
        (tmp_path / "s" / f"study.db{ending}").unlink()
    before, temporary = (
        contents(tmp_path / "s"),
        set(Path(tempfile.gettempdir()).glob("paceline-*")),
    )
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    for _ in range(2):
        with suppress(UnreadableStudy):
            assert notes(tmp_path / "s") == expected
    assert contents(tmp_path / "s") == before
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == names
    assert set(Path(tempfile.gettempdir()).glob("paceline-*")) == temporary


@pytest.mark.parametrize("endings", [["-shm"], ["-shm", "-wal"]])
def test_a_reader_sees_a_writer_that_comes_later(
    tmp_path: Path, killed: Path, endings: list[str]
) -> None:
    """Also if it had opened the database as immutable, since there was no writer."""
    directory = tmp_path / "s"
    shutil.copytree(killed, directory)
    with sqlite3.connect(directory / "study.db") as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if "-wal" not in endings:
            raw.execute("INSERT INTO current VALUES ('x', '1', NULL)")
            raw.commit()
            shutil.copytree(
                directory, tmp_path / "copy"
            )  # before the log is merged as the connection closes
    raw.close()
    if "-wal" not in endings:
        directory = tmp_path / "copy"
    for ending in endings:
        (directory / f"study.db{ending}").unlink(missing_ok=True)
    reader = StudyStore(directory, writable=False)
    assert len(list(reader.events())) == 2
    writer = StudyStore(directory, writable=True)
    writer.append([Noted("three")])
    assert len(list(reader.events())) == 3
    writer.close()
    writer = StudyStore(directory, writable=True)
    writer.append([Noted("four")])
    writer.close()
    assert len(list(reader.events())) == 4
    reader.close()


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path, killed: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("this user may write everywhere")
    shutil.copytree(killed, tmp_path / "s")
    (tmp_path / "s" / "study.db-shm").unlink()
    (tmp_path / "s").chmod(0o500)
    try:
        assert notes(tmp_path / "s") == ["one", "two"]
    finally:
        (tmp_path / "s").chmod(0o700)


# -- a closed study is in its database alone


def copied_alone(directory: Path, to: Path) -> list[str]:
    """The notes in a copy of the database without its log."""
    to.mkdir()
    shutil.copyfile(directory / "study.db", to / "study.db")
    return notes(to)


def test_a_database_is_complete_without_its_log_after_closing(
    tmp_path: Path,
) -> None:
    writer = StudyStore(tmp_path / "s", writable=True)
    writer.append([Noted("one")])
    reads, closed = threading.Event(), threading.Event()

    def read() -> None:
        reader = sqlite3.connect(
            f"file:{tmp_path / 's' / 'study.db'}?mode=ro", uri=True, isolation_level=None
        )
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        reads.set()
        reader.execute("COMMIT")
        closed.wait(60)  # it keeps the file open
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    assert reads.wait(60)
    writer.append([Noted("two")])
    writer.close()
    closed.set()
    thread.join()
    assert copied_alone(tmp_path / "s", tmp_path / "copy") == ["one", "two"]


def test_the_next_writer_empties_a_log_that_a_reader_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    writer = StudyStore(tmp_path / "s", writable=True)
    writer.append([Noted("one")])
    reader = sqlite3.connect(
        f"file:{tmp_path / 's' / 'study.db'}?mode=ro", uri=True, isolation_level=None
    )
    reader.execute("BEGIN")
    assert len(reader.execute("SELECT * FROM events").fetchall()) == 1
    writer.append([Noted("two"), SessionEnded("it was enough", 1.0)])
    writer.close()
    found = str(paceline.doctor(tmp_path / "s"))
    assert "study.db-wal belongs to the study: to copy it, copy both it and study.db." in found
    reader.close()
    StudyStore(tmp_path / "s", writable=True).close()
    assert copied_alone(tmp_path / "s", tmp_path / "copy") == ["one", "two"]
    assert not (tmp_path / "s" / "study.db-wal").exists()
    assert "study.db-wal" not in str(paceline.doctor(tmp_path / "s"))
