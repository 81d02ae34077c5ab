"""The SQLite store: one writer appends events in transactions, any number of readers read."""

import sqlite3
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from filelock import FileLock

from paceline.core import InvalidInput, PacelineError, UnreadableStudy
from paceline.core.events import Event, Json
from paceline.store.database_errors import (
    check_log,
    damaged,
    emptied,
    engine_of,
    explained,
    newer,
)
from paceline.store.paths import DATABASE, LOCK, LOG, results_in
from paceline.store.reading import Reader
from paceline.store.rows import Mark, Queries, RowStore
from paceline.store.store import lock, register
from paceline.store.tables import (
    EVENTS,
    SELECT_EVENTS,
    SELECT_VALUES,
    SNAPSHOTS,
    VALUES,
    make,
    row_of_event,
    row_of_value,
)
from paceline.store.writer import SessionClock, this_process

_TABLES = sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")
_LAST = sa.select(sa.func.max(EVENTS.c.id))
_FIRST = (
    sa.select(EVENTS.c.body).where(EVENTS.c.kind == "StudyCreated").order_by(EVENTS.c.id).limit(1)
)
# As text of SQLite: what SQLAlchemy adds to each statement would take most of the time.
_INSERT = "INSERT INTO events (time, kind, body, checksum) VALUES (?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO current (name, value, checksum) VALUES (?, ?, ?)"

PATIENCE = 5.0
"""Seconds for which a closing writer waits for readers' queries to end."""

_DURABLE_SECONDS = 1.0  # measurements that a power loss may undo, at most


@register
class StudyStore(RowStore):
    """The events of one study in a SQLite database, with snapshots; see `Store`."""

    name: ClassVar[str] = "sqlite"
    files: ClassVar[tuple[str, ...]] = (DATABASE, LOG)
    queries: ClassVar[Queries] = Queries(
        SELECT_EVENTS, _LAST, _FIRST, SELECT_VALUES, sa.select(SNAPSHOTS)
    )

    @classmethod
    def open(cls, directory: Path, address: str, *, writable: bool) -> Self:
        """Opens the study in ``directory``; an address is not supported."""
        if address:
            raise InvalidInput(
                f"store is 'sqlite' with the address {address!r}",
                expected="'sqlite': the database is in the study's directory",
            )
        return cls(directory, writable=writable)

    def __init__(self, directory: Path, *, writable: bool) -> None:
        """Opens the study in ``directory``. A reader creates no file there.

        Raises:
            StudyLocked: ``writable``, and another process writes it; the message says which.
            InvalidInput: not ``writable``, and there is no study.
            UnreadableStudy: the file is damaged, of a newer version, or not a study.
            PacelineError: the directory or a file in it cannot be used; the message says why.
        """
        # independent of the working directory
        self.directory = directory = directory.absolute()
        self._clock = SessionClock()
        self._path = directory / DATABASE
        self._lock: FileLock | None = None
        self._connection: sa.Connection | None = None
        self._reader: Reader | None = None
        self._is_durable, self._durable_at = False, 0.0
        self.num_in_snapshot = self.num_since_snapshot = 0
        was_there = self._path.exists()
        if writable:
            self._take_lock()
        elif not was_there:
            raise InvalidInput(
                f"{directory} contains no study",
                expected=f"a study directory of Paceline (with a {DATABASE})",
            )
        try:
            with explained(self._path):
                if writable:
                    check_log(self._path)
                    self._connection = engine_of(self._path).connect()
                else:
                    self._reader = Reader(self._path)
                if not self._check() and was_there and (results := results_in(directory)):
                    raise emptied(self._path, results)
                if writable:
                    self._prepare()
        except BaseException:
            self.close()
            raise

    def append(
        self,
        events: Sequence[Event],
        values: Mapping[str, Json] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """Appends events and replaces current values, in one transaction.

        Args:
            events: in order.
            values: current values by name.
            durable: whether this survives a power loss once it returns, as needed before files are
                removed; otherwise a power loss may undo the last second.
        """
        now = self._clock.now()
        rows = [(*row_of_event(event, now).values(),) for event in events]
        replaced = [(*row_of_value(name, one).values(),) for name, one in (values or {}).items()]
        with explained(self._path):
            self._set_durable(durable or time.monotonic() - self._durable_at >= _DURABLE_SECONDS)
            with self._open.begin():
                if rows:
                    self._open.exec_driver_sql(_INSERT, rows)
                    self.num_since_snapshot += len(rows)
                if replaced:
                    self._open.exec_driver_sql(_REPLACE, replaced)

    def save_snapshot(self, last: int, body: str) -> None:
        """Stores a snapshot of the events up to ``last``, in place of the previous one."""
        row = {"id": 1, "last": last, "checksum": zlib.crc32(body.encode()), "body": body}
        with explained(self._path), self._open.begin():
            self._open.execute(SNAPSHOTS.delete())
            self._open.execute(SNAPSHOTS.insert(), [row])
        self.num_in_snapshot, self.num_since_snapshot = last, max(0, self.last() - last)

    def close(self) -> None:
        """Closes the file and releases the lock. Raises nothing, as it may follow an error."""
        with suppress(sa.exc.DBAPIError, sqlite3.Error):
            if self._connection is not None and self._lock is not None:
                # copies the log into the database, which can then be copied without it; waits for
                # readers with a running query
                self._pragma(f"busy_timeout={round(1000 * PATIENCE)}")
                self._pragma("wal_checkpoint(TRUNCATE)")
                # so that readers need no further files, which cannot be created on a read-only
                # disk; fails harmlessly while others have the database open
                self._pragma("busy_timeout=0")
                self._pragma("journal_mode=DELETE")
        with suppress(sa.exc.DBAPIError, sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        if self._lock is not None:
            self._lock.release()

    def rewind(self, mark: Mark) -> None:
        """Removes everything stored since a mark; a study without events is removed."""
        if not mark.last:
            self.discard()
            return
        with explained(self._path), self._open.begin():
            self._open.execute(EVENTS.delete().where(EVENTS.c.id > mark.last))
            self._open.execute(SNAPSHOTS.delete().where(SNAPSHOTS.c.last > mark.last))
            self._open.execute(VALUES.delete())
            self._open.execute(VALUES.insert(), list(mark.values))
        self._count()

    def discard(self) -> None:
        """Removes a study without results, and its directory if otherwise empty; closes it."""
        with suppress(sa.exc.DBAPIError, sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        with suppress(OSError):  # files that cannot be removed are left
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(DATABASE + suffix).unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            (self.directory / LOCK).unlink(missing_ok=True)
            self.directory.rmdir()

    # -- internals

    @property
    def _open(self) -> sa.Connection:
        if self._reader is not None:
            return self._reader.connection()
        if self._connection is None:
            raise TypeError("the store is closed")
        return self._connection

    def _rows(self, query: sa.Executable, **values: Any) -> Sequence[sa.Row[Any]]:
        """The result of a query; empty if the writer has not created its tables."""
        with explained(self._path):
            connection = self._open
            with connection.begin():
                if connection.execute(_TABLES).first():
                    return connection.execute(query, values).all()
                return ()

    def _damaged(self, reason: object) -> UnreadableStudy:
        return damaged(self._path, reason)

    def _newer(self, found: str) -> UnreadableStudy:
        return newer(self._path, found)

    def _prepare(self) -> None:
        # WAL: readers never wait for the writer, and a killed process loses nothing
        self._pragma("journal_mode=WAL")
        make(self._open)
        self.append([], {"writer": this_process()})
        self._count()

    def _set_durable(self, wanted: bool) -> None:
        """Sets whether the next transactions are flushed to the disk when they end."""
        if wanted != self._is_durable:
            self._pragma(f"synchronous={'FULL' if wanted else 'NORMAL'}")
            self._is_durable = wanted
        if wanted:
            self._durable_at = time.monotonic()

    def _pragma(self, setting: str) -> None:
        self._open.exec_driver_sql(f"PRAGMA {setting}")
        self._open.commit()

    def _take_lock(self) -> None:
        """Acquires the lock of the writer, until `close`."""
        if self._path.is_symlink():  # for instance to another study, whose writer has another lock
            raise PacelineError(
                f"{self._path} is a link; resume the study in the directory that it points to."
            )
        self._lock = lock(self.directory, self._writer)

    def _writer(self) -> Json | None:
        reader = StudyStore(self.directory, writable=False)
        try:
            return reader.value("writer")
        finally:
            reader.close()
