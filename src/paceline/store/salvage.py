"""Repair of a damaged database: what can be read, and a new one; the damaged one is kept."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from paceline.core import StudyLocked
from paceline.core.events import Event, Json, TrialAsked
from paceline.store.database_errors import damaged, engine_of, read_event
from paceline.store.database_errors import explained as explained_database
from paceline.store.files import explained, flush, replacing
from paceline.store.paths import DATABASE, LOCK
from paceline.store.reading import Reader
from paceline.store.rows import missing
from paceline.store.store import Stored
from paceline.store.tables import (
    EVENTS,
    SELECT_EVENTS,
    SELECT_VALUES,
    VALUES,
    event_of,
    make,
    row_of_event,
    row_of_value,
    value_of,
)

_MOST_FAULTS = 3  # reported by SQLite
_AT_ONCE = 10_000  # rows
_MOST_SKIPPED = 100_000  # event ids that are tried one by one, since their pages are damaged


def faults(directory: Path) -> list[str]:
    """Structural faults of a study's database found by SQLite, at most a few.

    Raises:
        PacelineError: it cannot be opened.
    """
    with _reading(directory) as reader, explained_database(directory / DATABASE):
        rows = reader.connection().exec_driver_sql(f"PRAGMA integrity_check({_MOST_FAULTS})").all()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def is_empty(directory: Path) -> bool:
    """Whether a database that can be opened has no tables; SQLite accepts an empty file."""
    with _reading(directory) as reader, explained_database(directory / DATABASE):
        return (
            reader.connection().exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
        )


def events(directory: Path) -> Iterator[Stored]:
    """The events one by one, up to the first damaged one.

    Raises:
        UnreadableStudy: at a damaged event, or if the database cannot be opened.
    """
    path = directory / DATABASE
    with _reading(directory) as reader, explained_database(path):
        every = SELECT_EVENTS.bindparams(after=0, most=-1)
        for number, row in enumerate(reader.connection().execute(every), start=1):
            if row.id != number:
                raise damaged(path, missing(number, row.id - 1))
            yield read_event(path, row)


def values(directory: Path) -> tuple[dict[str, Json], list[str]]:
    """The readable current values by name, and the names of the others."""
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


def counts(directory: Path) -> tuple[int, int]:
    """Number of events and trials of a database, as far as readable; skips damaged pages."""
    trials = seen = after = skipped = 0
    last = _last_id(directory)
    with _reading(directory) as reader, explained_database(directory / DATABASE):
        while skipped <= _MOST_SKIPPED:
            try:
                for row in reader.connection().execute(
                    SELECT_EVENTS.bindparams(after=after, most=-1)
                ):
                    seen = after = row.id
                    if row.kind == "TrialAsked":
                        trials = max(trials, _number_in(row) + 1)
                break
            except (sa.exc.DBAPIError, sqlite3.Error):
                after, skipped = after + 1, skipped + 1
                if after >= last:
                    break
    return max(seen, last), trials


def rebuild(
    directory: Path, last: int, kept: Mapping[str, Json], added: Sequence[Event] = ()
) -> Path:
    """Replaces a damaged database by one of the events up to ``last`` and of current values.

    Args:
        directory: of the study.
        last: the id of the last usable event.
        kept: current values by name.
        added: events that describe the repair, with the time of the last event.

    Returns:
        The file in which the damaged database is kept.

    Raises:
        StudyLocked: another process writes the study.
        PacelineError: the new database cannot be written; the old one is unchanged.
    """
    path = directory / DATABASE
    lock = FileLock(directory / LOCK)
    try:
        with explained(directory / LOCK), lock.acquire(timeout=0):
            copy = _copied(path)
            with replacing(path) as new:
                _write(directory, new, last, kept, added)
                for ending in ("-wal", "-shm"):  # of the old database
                    path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
            return copy
    except Timeout:
        message = (
            f"study {directory} is being written by another process; repair it when it has ended."
        )
        raise StudyLocked(message) from None


@contextmanager
def _reading(directory: Path) -> Iterator[Reader]:
    reader = Reader(directory / DATABASE)
    try:
        yield reader
    finally:
        reader.close()


def _last_id(directory: Path) -> int:
    """The id of the last event; 0 if unknown."""
    with _reading(directory) as reader:
        try:
            return int(
                reader.connection().exec_driver_sql("SELECT max(id) FROM events").scalar() or 0
            )
        except (sa.exc.DBAPIError, sqlite3.Error):
            return 0


def _number_in(row: sa.Row[Any]) -> int:
    """The trial's number in the row of an event; -1 if unreadable."""
    try:
        event = event_of(row).event
    except (ValueError, TypeError):
        return -1
    return event.number if isinstance(event, TrialAsked) else -1


def _copied(path: Path) -> Path:
    """A copy of a database, with its log, under an unused name."""
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


def _write(
    directory: Path, new: Path, last: int, kept: Mapping[str, Json], added: Sequence[Event]
) -> None:
    """Writes a database with the events that can be read, and those added at the end."""
    engine = engine_of(new)
    with explained_database(new), engine.connect() as target, _reading(directory) as reader:
        make(target)
        found = reader.connection().execute(SELECT_EVENTS.bindparams(after=0, most=last))
        for rows in found.partitions(_AT_ONCE):
            target.execute(EVENTS.insert(), [{"checksum": None, **row._mapping} for row in rows])
            time = float(rows[-1].time)
        if added:
            target.execute(EVENTS.insert(), [row_of_event(event, time) for event in added])
        if kept:
            target.execute(
                VALUES.insert(), [row_of_value(name, value) for name, value in kept.items()]
            )
        target.commit()
    engine.dispose()
