"""What can be read of a damaged database, and a new one made of it; the damaged one is kept beside it."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from paceline.core import StudyLocked
from paceline.core.events import Json
from paceline.store.files import explained, flush, replacing
from paceline.store.opening import damaged, engine_of, missing, read_event
from paceline.store.opening import explained as explained_database
from paceline.store.paths import DATABASE, LOCK
from paceline.store.reading import Reader
from paceline.store.tables import (
    EVENTS,
    SELECT_EVENTS,
    SELECT_VALUES,
    VALUES,
    Stored,
    make,
    row_of_value,
    value_of,
)

_MOST_FAULTS = 3  # that SQLite is asked for
_AT_ONCE = 10_000  # rows


def faults(directory: Path) -> list[str]:
    """What SQLite finds wrong with the structure of a study's database: some of it; nothing of a sound one.

    Raises:
        PacelineError: it cannot be opened at all.
    """
    with _reading(directory) as reader, explained_database(directory / DATABASE):
        rows = reader.connection().exec_driver_sql(f"PRAGMA integrity_check({_MOST_FAULTS})").all()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def events(directory: Path) -> Iterator[Stored]:
    """The events one by one, up to the first that cannot be used.

    Raises:
        UnreadableStudy: at that one; or the database cannot be opened at all.
    """
    path = directory / DATABASE
    with _reading(directory) as reader, explained_database(path):
        every = SELECT_EVENTS.bindparams(after=0, most=-1)
        for number, row in enumerate(reader.connection().execute(every), start=1):
            if row.id != number:
                raise damaged(path, missing(number, row.id - 1))
            yield read_event(path, row)


def values(directory: Path) -> tuple[dict[str, Json], list[str]]:
    """The current values that can be read, by name; and the names of those that cannot."""
    known: dict[str, Json] = {}
    bad: list[str] = []
    with _reading(directory) as reader:
        try:
            for row in reader.connection().execute(SELECT_VALUES.bindparams(name=None)):
                try:
                    known[row.name] = value_of(row)
                except (ValueError, TypeError):
                    bad.append(str(row.name))
        except (sa.exc.StatementError, sqlite3.Error):
            bad.append("all others")
    return known, bad


def rebuild(directory: Path, last: int, kept: Mapping[str, Json]) -> Path:
    """Puts a database of the events up to ``last``, and of these current values, in place of a damaged one.

    Args:
        directory: of the study.
        last: the id of the last event that can be used.
        kept: current values by name.

    Returns:
        The file in which the damaged database is kept.

    Raises:
        StudyLocked: another process writes the study.
        PacelineError: the new one cannot be written; the old one is as it was.
    """
    path = directory / DATABASE
    lock = FileLock(directory / LOCK)
    try:
        with explained(directory / LOCK), lock.acquire(timeout=0):
            copy = _copied(path)
            with replacing(path) as new:
                _write(directory, new, last, kept)
                for ending in ("-wal", "-shm"):  # they belong to the old one
                    path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
            return copy
    except Timeout:
        message = f"study {directory} is being written by another process; repair it when that has ended."
        raise StudyLocked(message) from None


@contextmanager
def _reading(directory: Path) -> Iterator[Reader]:
    reader = Reader(directory / DATABASE)
    try:
        yield reader
    finally:
        reader.close()


def _copied(path: Path) -> Path:
    """A copy of a database, with its log, under a name that is free."""
    number = 1
    while (copy := path.with_name(f"study.damaged-{number}.db")).exists():
        number += 1
    with explained(copy):
        for ending in ("-wal", ""):
            source, target = (one.with_name(f"{one.name}{ending}") for one in (path, copy))
            if source.exists():
                shutil.copyfile(source, target)
                flush(target)
    return copy


def _write(directory: Path, new: Path, last: int, kept: Mapping[str, Json]) -> None:
    engine = engine_of(new)
    with explained_database(new), engine.connect() as target, _reading(directory) as reader:
        make(target)
        found = reader.connection().execute(SELECT_EVENTS.bindparams(after=0, most=last))
        for rows in found.partitions(_AT_ONCE):
            target.execute(EVENTS.insert(), [{"checksum": None, **row._mapping} for row in rows])
        if kept:
            target.execute(VALUES.insert(), [row_of_value(name, value) for name, value in kept.items()])
        target.commit()
    engine.dispose()
