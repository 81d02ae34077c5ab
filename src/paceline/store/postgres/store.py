"""The store in PostgreSQL: one writer, any number of readers, many studies in one database."""

import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from filelock import FileLock

from paceline.core import InvalidInput, PacelineError, StudyLocked, UnreadableStudy
from paceline.core.events import Event, Json
from paceline.core.logs import logger
from paceline.store.database_errors import NEWER
from paceline.store.mirror import Mirror
from paceline.store.paths import LOCK, MARKER
from paceline.store.postgres import places, statements, unstored
from paceline.store.postgres.address import DatabaseAddress, parse
from paceline.store.postgres.connection import WriterConnection
from paceline.store.postgres.schema import LOCKS, make
from paceline.store.postgres.server import connect, explained, is_lost
from paceline.store.postgres.statements import Batch
from paceline.store.rows import Mark, Queries, RowStore
from paceline.store.store import lock, register
from paceline.store.tables import row_of_event, row_of_value, value_of
from paceline.store.writer import SessionClock, has_ended, process_in_words, this_process

_LOG = logger("store")
_DURABLE_SECONDS = 1.0  # between two transactions that the server has written to its disk


@register
class PostgresStore(RowStore):
    """The events of one study in a PostgreSQL database; see `Store`.

    Transactions do not wait for the server's disk, except once a second and where that is asked
    for. So that a crash of the server loses nothing either, what was appended since the last of
    these is kept in memory, and appended again after a new connection if it is not there.
    """

    name: ClassVar[str] = "postgresql"
    files: ClassVar[tuple[str, ...]] = (MARKER,)
    queries: ClassVar[Queries] = statements.QUERIES

    @classmethod
    def address_of(cls, text: str) -> str:
        """The address without its passwords, which are remembered."""
        return parse(text).text

    @classmethod
    def secret_address_of(cls, address: str) -> str:
        """The address with the passwords that this process knows."""
        return parse(address).secret_text

    @classmethod
    def directory_of(cls, address: str) -> Path:
        """The directory for the files of a study; see `paceline.store.postgres.places`."""
        return places.directory_of(parse(address))

    @classmethod
    def identity_of(cls, directory: Path, address: str) -> object | None:  # noqa: ARG003
        """The number of the study in its database; None if there is none."""
        found = places.row_of(parse(address))
        return None if found is None else found.id

    @classmethod
    def open(cls, directory: Path, address: str, *, writable: bool) -> Self:
        """Opens the study with this address; its files are in ``directory``."""
        return cls(directory, parse(address), writable=writable)

    def __init__(self, directory: Path, address: DatabaseAddress, *, writable: bool) -> None:
        """Opens a study, or creates one.

        Raises:
            StudyLocked: ``writable``, and another process writes it; the message says which.
            InvalidInput: not ``writable``, and there is no study; or the address is wrong.
            UnreadableStudy: it is damaged, or of a newer version.
            PacelineError: the server cannot be used for another reason.
        """
        self.directory, self._address = directory.absolute(), address
        self._clock = SessionClock()
        self._lock: FileLock | None = None
        self._reader: sa.Connection | None = None
        self._writer: WriterConnection | None = None
        self._study = self._last = 0
        self._is_durable: bool | None = None  # that is the setting of the server
        self._durable_at = 0.0
        self._identity: Json | None = None
        self._unconfirmed: list[Batch] = []
        self._has_saved = False  # a file with what may not be stored
        try:
            if writable:
                self._lock = lock(self.directory, self._stored_writer, address.text)
            with explained(address):
                self._reader = connect(address, writable=writable)
                if writable:
                    self._begin(self._reader)
                else:
                    self._find(self._reader)
        except BaseException:
            self.close()
            raise

    def identity(self) -> object | None:
        """The number of the study; None if it was removed."""
        rows = self._rows(statements.IDENTITY, name=self._address.name)
        return rows[0].id if rows else None

    def running(self, writer: Json | None) -> str | None:
        """The process that writes the study, on any machine: it holds the study's lock."""
        known = super().running(writer)
        if known is None and not has_ended(writer) and self._rows(statements.LOCKED, locks=LOCKS):
            return process_in_words(writer)
        return known

    def append(
        self,
        events: Sequence[Event],
        values: Mapping[str, Json] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """Appends events and replaces current values, in one transaction; see `Store.append`."""
        now = self._clock.now()
        rows = [
            {"id": number, **row_of_event(event, now)}
            for number, event in enumerate(events, self._last + 1)
        ]
        batch = Batch.of(rows, [row_of_value(*one) for one in (values or {}).items()])
        self._unconfirmed.append(batch)
        is_due = time.monotonic() - self._durable_at >= _DURABLE_SECONDS
        durable = durable or is_due or not self._last  # that a study has begun is never lost
        attempts = 0

        def write(connection: sa.Connection) -> None:
            nonlocal attempts
            attempts += 1
            self._set_durable(connection, durable)
            if attempts == 1:  # else a new connection has done it
                statements.append(connection, self._study, batch)

        try:
            self._writing.run(write)
        except BaseException:
            if self._writing.is_away:
                self._last += len(rows)
                try:
                    self._save_unstored()
                except PacelineError as why:  # in place of an interruption it would hide that
                    _LOG.error("%s", why)
            else:
                self._unconfirmed.remove(batch)
            raise
        self._last += len(rows)
        self.num_since_snapshot += len(rows)
        if durable:
            self._unconfirmed.clear()
            self._durable_at = time.monotonic()

    def save_snapshot(self, last: int, body: str) -> None:
        """Stores a snapshot of the events up to ``last``, in place of the previous one."""
        row = {"last": last, "checksum": zlib.crc32(body.encode()), "body": body}
        self._writing.run(
            lambda connection: connection.execute(
                statements.SAVE_SNAPSHOT, {"study": self._study, **row}
            )
        )
        self.num_in_snapshot, self.num_since_snapshot = last, max(0, self._last - last)

    def rewind(self, mark: Mark) -> None:
        """Removes everything stored since a mark; a study without events is removed."""
        if not mark.last:
            self.discard()
            return
        values = Batch.of((), mark.values).values
        parameters = {"study": self._study, "last": mark.last, **values}
        self._writing.run(lambda connection: connection.execute(statements.REWIND, parameters))
        self._unconfirmed.clear()
        self._last = mark.last
        self._count()

    def discard(self) -> None:
        """Removes a study without results, and its directory if otherwise empty; closes it."""
        with suppress(PacelineError):
            self._writing.run(self._remove)
        self._unconfirmed.clear()
        self.close()
        with suppress(OSError):
            for name in (MARKER, LOCK):
                (self.directory / name).unlink(missing_ok=True)
            self.directory.rmdir()

    def close(self) -> None:
        """Closes the connection, which releases the lock. Raises nothing."""
        with suppress(PacelineError, sa.exc.SQLAlchemyError):
            if self._writer is not None and self._unconfirmed and not self._writer.is_away:
                self.append([], {"writer": self._identity}, durable=True)
        self._unconfirmed = []
        if self._writer is not None:
            self._writer.close()
        with suppress(sa.exc.SQLAlchemyError):
            if self._reader is not None:
                self._reader.close()
        self._writer = self._reader = None
        if self._lock is not None:
            self._lock.release()

    # -- internals

    @property
    def _writing(self) -> WriterConnection:
        if self._writer is None:
            raise TypeError("the store is closed, or was opened for reading")
        return self._writer

    def _rows(self, query: sa.Executable, **values: Any) -> Sequence[sa.Row[Any]]:
        parameters = {"study": self._study, **values}

        def rows(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
            return connection.execute(query, parameters).all()

        if self._writer is not None:
            return self._writer.run(rows)
        if self._reader is None:
            raise TypeError("the store is closed")
        with explained(self._address):
            if not self._reader.closed:
                try:
                    return rows(self._reader)
                except sa.exc.DBAPIError as error:
                    if not is_lost(error):
                        raise
                self._reader.close()  # the server may have been started anew
            self._reader = connect(self._address, writable=False)
            return rows(self._reader)

    def _damaged(self, reason: object) -> UnreadableStudy:
        return UnreadableStudy(
            f"study {self._address.text} is damaged ({reason}); restore it from a backup of the "
            f"database.",
            str(reason),
        )

    def _newer(self, found: str) -> UnreadableStudy:
        return UnreadableStudy(
            f"study {self._address.text} was written by a newer Paceline ({found}, which this "
            f"version does not know). Install a newer one: pip install --upgrade paceline",
            NEWER,
        )

    def _find(self, connection: sa.Connection) -> None:
        found = places.row_in(connection, self._address)
        if found is None:
            raise InvalidInput(
                f"{self._address.text} contains no study",
                expected="the address of a study; those that there are: paceline list "
                + self._address.named("").text,
            )
        self._study = found.id
        files = self._use_files(found)
        if files is not None:
            files.forget()
        self._check()

    def _begin(self, connection: sa.Connection) -> None:
        """Creates the study if there is none, and becomes its writer."""
        make(connection, self._address)
        while True:
            self._study, is_new = places.study_in(connection, self._address)
            writer = WriterConnection(
                self._address,
                connection,
                self._study,
                self._writer_in,
                self._restore,
                self._save_unstored,
                self._say,
            )
            found = places.row_in(connection, self._address)
            if found is not None:  # else its former writer has removed it
                break
        self._writer, self._reader = writer, None
        try:
            self._prepare(connection, found)
        except BaseException:
            if is_new:
                with suppress(PacelineError):
                    writer.run(self._remove)
            raise

    def _prepare(self, connection: sa.Connection, row: sa.Row[Any]) -> None:
        files = self._use_files(row)
        if files is not None:
            files.fetch_all()
        self._store_unstored(connection)
        self._check()
        places.record(connection, self._study, self._address, self.directory)
        self._last = self.last()
        identity = this_process()
        self.append([], {"writer": identity}, durable=True)
        self._identity = identity
        self._count()

    def _remove(self, connection: sa.Connection) -> None:
        connection.execute(statements.REMOVE, {"study": self._study})

    def _use_files(self, row: sa.Row[Any]) -> Mirror | None:
        files = row.files if self._address.files is None else self._address.files
        return places.use_files(self.directory, self._address, files)

    def _store_unstored(self, connection: sa.Connection) -> None:
        """Appends what the last writer of this directory could not store."""
        found = unstored.load(self.directory)
        if found is None:
            return
        is_last = found[0] == self._writer_in(connection)
        for batch in found[1] if is_last else ():
            statements.append(connection, self._study, batch, again=True)
        unstored.finish(self.directory, is_stored=is_last)
        if not is_last:
            _LOG.warning("%s is of an earlier writer and was not used", unstored.IGNORED)

    def _save_unstored(self) -> str:
        """Writes what may not be stored to a file; returns its path."""
        self._has_saved = True
        return str(unstored.save(self.directory, self._identity, self._unconfirmed))

    def _restore(self, connection: sa.Connection) -> None:
        """Continues with a new connection: appends what the server may not have kept.

        Raises:
            StudyLocked: another process has written the study since.
        """
        if self._identity is not None and self._writer_in(connection) != self._identity:
            raise StudyLocked(
                f"study {self._address.text} was taken over by another process while the "
                f"connection was lost; this process ends. What it had stored until then is kept."
            )
        self._is_durable = None
        self._set_durable(connection, True)
        for batch in self._unconfirmed:
            statements.append(connection, self._study, batch, again=True)
        if self._has_saved:
            unstored.finish(self.directory, is_stored=True)
            self._has_saved = False

    def _say(self, text: str) -> None:
        """Tells the user what the server does."""
        _LOG.warning("%s", text)
        if self.announce is not None:
            self.announce(f"{text}.")

    def _set_durable(self, connection: sa.Connection, wanted: bool) -> None:
        """Sets whether the next transactions wait for the server's disk."""
        if wanted != self._is_durable:
            connection.exec_driver_sql(f"SET synchronous_commit={'on' if wanted else 'off'}")
            self._is_durable = wanted

    def _writer_in(self, connection: sa.Connection) -> Json | None:
        parameters = {"study": self._study, "name": "writer"}
        rows = connection.execute(statements.QUERIES.values, parameters).all()
        with suppress(ValueError, TypeError):
            return value_of(rows[0]) if rows else None
        return None

    def _stored_writer(self) -> Json | None:
        reader = PostgresStore(self.directory, self._address, writable=False)
        try:
            return reader.value("writer")
        finally:
            reader.close()
