"""A study's events in SQLite: appended in transactions by one writer, read by any number of readers."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from paceline.core import InvalidInput, PacelineError, StudyLocked
from paceline.core.events import Event, Json, from_json, to_json
from paceline.store.writer import SessionClock, this_process

_metadata = sa.MetaData()
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
_values = sa.Table(
    "current",
    _metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_LAST = sa.select(sa.func.max(_events.c.id))


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its place in the record and the time (seconds since 1970) it was written."""

    id: int
    time: float
    event: Event


class StudyStore:
    """The memory of one study.

    Guarantees: `append` is one transaction, all of it or nothing; ids only grow; what a reader saw never changes.
    Beside the events it keeps a few current values (the strategy's state, where checkpoints are), replaced in the
    same transaction as the events that made them so.
    """

    def __init__(self, directory: Path, *, writable: bool) -> None:
        """Opens the study in ``directory``.

        Raises:
            StudyLocked: ``writable``, and another process writes it; the message says which.
            InvalidInput: not ``writable``, and there is no study.
            PacelineError: the disk is full or the file is damaged.
        """
        self.directory = directory = directory.absolute()  # it stays this one, whatever a user's function changes
        self._clock = SessionClock()
        self._path = directory / "study.db"
        if not writable and not self._path.exists():
            raise InvalidInput(
                f"{directory} holds no study", expected="a directory made by paceline (it has a study.db)"
            )
        if writable:
            _make_directory(directory)
        self._lock = FileLock(directory / "study.lock") if writable else None
        if self._lock is not None:
            self._acquire()
        mode = "" if writable else "?mode=ro&uri=true"
        prefix = "" if writable else "file:"
        self._engine = sa.create_engine(f"sqlite:///{prefix}{self._path}{mode}", poolclass=sa.pool.NullPool)
        self._connection = self._connect(writable)

    @classmethod
    def exists(cls, directory: Path) -> bool:
        """Whether there is a study in this directory."""
        return (directory / "study.db").exists()

    def append(self, events: Sequence[Event], values: Mapping[str, Json] | None = None) -> None:
        """Adds events, and replaces current values, in one transaction."""
        now = self._clock.now()
        rows = []
        for event in events:
            kind, body = to_json(event)
            rows.append({"time": now, "kind": kind, "body": _dump(body)})
        with self._explained(), self._connection.begin():
            if rows:
                self._connection.execute(_events.insert(), rows)
            for name, value in (values or {}).items():
                statement = sa.text("INSERT OR REPLACE INTO current (name, value) VALUES (:name, :value)")
                self._connection.execute(statement, {"name": name, "value": _dump(value)})

    def events(self, after: int = 0) -> Iterator[Stored]:
        """The events with an id above ``after``, in order."""
        query = sa.select(_events).where(_events.c.id > after).order_by(_events.c.id)
        for row in self._rows(query):
            yield Stored(row.id, row.time, from_json(row.kind, json.loads(row.body)))

    def last(self) -> int:
        """The id of the last event, 0 where there is none: a look that costs next to nothing."""
        with self._explained(), self._connection.begin():
            try:
                found = self._connection.execute(_LAST).scalar()
            except sa.exc.OperationalError as error:
                if "no such table" in str(error.orig):  # the writer has not made its tables
                    return 0
                raise
        return int(found or 0)

    def value(self, name: str) -> Json | None:
        """A current value, or None where it was never set."""
        query = sa.select(_values.c.value).where(_values.c.name == name)
        rows = self._rows(query)
        return json.loads(rows[0].value) if rows else None

    def close(self) -> None:
        """Lets go of the file, and of the right to write."""
        self._connection.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """What a query finds: nothing while the writer has not made its tables."""
        with self._explained(), self._connection.begin():
            return self._connection.execute(query).all() if sa.inspect(self._connection).get_table_names() else ()

    def _connect(self, writable: bool) -> sa.Connection:
        with self._explained():
            connection = self._engine.connect()
            if writable:
                # WAL: readers never wait for the writer. NORMAL: a killed process loses nothing.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
                connection.commit()
                _metadata.create_all(connection)
                connection.commit()
        if writable:
            self._connection = connection
            self.append([], {"writer": this_process()})
        return connection

    def _acquire(self) -> None:
        if self._lock is None:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StudyLocked(self._who_holds_it()) from None

    def _who_holds_it(self) -> str:
        holder: dict[str, Any] = {}
        if self._path.exists():
            reader = StudyStore(self.directory, writable=False)
            holder = reader.value("writer") or {}
            reader.close()
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.get("since", time.time())))
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {since}"
        return f"study {self.directory} is being written by {who}; wait for it or stop it, or use another directory."

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            reason = str(error.orig)
            if "full" in reason or "disk I/O" in reason:
                what = "no room left on disk" if "full" in reason else f"the disk fails ({reason})"
                message = f"{what} for {self._path}; make room, then go on: paceline resume {self.directory}"
            elif "malformed" in reason or "not a database" in reason:
                message = f"{self._path} is damaged ({reason}); restore it from a copy or use another directory."
            elif "no such table" in reason:
                message = f"{self._path} is not a study of paceline; use another directory."
            else:
                message = f"{self._path} cannot be used: {reason}."
            raise PacelineError(message) from error


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"study directory {directory} cannot be made ({error.strerror})", expected="a place that can be written"
        ) from error


def _dump(value: Json) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
