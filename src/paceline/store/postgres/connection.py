"""The connection of a study's writer: its lock, and what happens when the server is gone.

The lock is an advisory lock of the session, so PostgreSQL releases it when the process ends,
however that happens. After a lost connection the writer connects again, takes the lock again, and
checks that nobody has written the study since.
"""

import platform
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import sqlalchemy as sa

from paceline.core import PacelineError, StudyLocked, command_line, interrupts
from paceline.core.events import Json
from paceline.core.logs import logger
from paceline.store.postgres.address import DatabaseAddress
from paceline.store.postgres.schema import LOCKS
from paceline.store.postgres.server import connect, in_words, is_lost, reason_of, state_of
from paceline.store.writer import process_of, writer_in_words

_LOG = logger("store")
_T = TypeVar("_T")

_TRY = sa.text("SELECT pg_try_advisory_lock(:locks, :study)")
_WAIT = sa.text("SELECT pg_advisory_lock(:locks, :study)")
_END = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid = :pid AND locktype = 'advisory' "
    "AND granted AND classid = :locks AND objid = :study"
)
_LOCK_TIMEOUT, _TIMED_OUT = "SET lock_timeout = '10s'", "55P03"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0  # seconds between two attempts to connect

Connected = Callable[[sa.Connection], None]


class WriterConnection:
    """The connection of the writer of a study.

    Attributes:
        is_away: whether the server stayed away, so that this connection is of no more use.

    Args:
        address: of the study.
        connection: to its database.
        study: its number in the database.
        writer: reads the value ``"writer"`` through a connection.
        restore: is called with each new connection, when it has the lock.
        save: is called when the server stays away; returns where that is kept which is not stored.

    Raises:
        StudyLocked: another process writes the study.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        connection: sa.Connection,
        study: int,
        writer: Callable[[sa.Connection], Json | None],
        restore: Connected,
        save: Callable[[], str],
    ) -> None:
        self._address, self._connection = address, connection
        self._parameters = {"locks": LOCKS, "study": study}
        self._writer, self._restore, self._save = writer, restore, save
        self.is_away = False
        self._gave_up: PacelineError | None = None
        self._take()
        self._pid = _pid(connection)

    def run(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Returns the result of ``work``, which is called again if the connection was lost.

        Raises:
            StudyLocked: another process has taken the study while the connection was lost.
            PacelineError: the server was not there again in time, or refuses the work.
        """
        while True:
            if self._gave_up is not None:
                raise self._gave_up.with_traceback(None)
            try:
                return work(self._connection)
            except sa.exc.DBAPIError as error:
                if not is_lost(error):
                    raise in_words(self._address, error) from error
                self._reconnect(error)

    def close(self) -> None:
        """Closes the connection, which releases the lock. Raises nothing."""
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.close()

    def _take(self) -> None:
        """Takes the lock.

        The lock of a process that was killed on this machine is waited for: PostgreSQL notices the
        end of a process a moment later.
        """
        if self._execute(_TRY):
            return
        holder = self._writer(self._connection)
        if not (_has_ended(holder) and self._wait()):
            raise self._locked(holder)

    def _wait(self) -> bool:
        """Waits for the lock of a process that has ended; returns whether it was released."""
        self._connection.exec_driver_sql(_LOCK_TIMEOUT)
        try:
            self._execute(_WAIT)
        except sa.exc.DBAPIError as error:
            if state_of(error) != _TIMED_OUT:
                raise
            return False
        return True

    def _locked(self, holder: Json | None) -> StudyLocked:
        return StudyLocked(
            f"study {self._address.text} is being written by {writer_in_words(holder)}; wait for "
            f"it or stop it, or use another name."
        )

    def _reconnect(self, error: sa.exc.DBAPIError) -> None:
        """Connects again; if that fails, so does all later work."""
        try:
            self._wait_for_server(error)
        except PacelineError as failed:
            self._gave_up = failed
            self.close()
            raise

    def _wait_for_server(self, error: sa.exc.DBAPIError) -> None:
        began, pause, place = time.monotonic(), _FIRST_PAUSE, self._address.place
        _LOG.warning(
            "PostgreSQL at %s is gone (%s); the study waits for it, at most %g s",
            place,
            reason_of(error),
            self._address.wait,
        )
        while True:
            try:
                self._connect_again()
                _LOG.warning("PostgreSQL at %s is there again; the study continues", place)
                return
            except sa.exc.DBAPIError as last:
                if state_of(last) and not is_lost(last):
                    raise in_words(self._address, last) from last
                error = last
            left = self._address.wait - (time.monotonic() - began)
            if left <= 0:
                raise self._given_up(error, began) from error
            try:
                interrupts.check()
            except KeyboardInterrupt:
                self._gave_up = self._given_up(error, began)
                self.close()
                raise
            threading.Event().wait(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _given_up(self, error: sa.exc.DBAPIError, began: float) -> PacelineError:
        self.is_away = True
        return PacelineError(
            f"PostgreSQL at {self._address.place} was not there again within "
            f"{time.monotonic() - began:.1f} s ({reason_of(error)}). What is not stored is kept in "
            f"{self._save()}; when the server is there, resume on this machine: "
            f"{command_line('resume', self._address.text)}"
        )

    def _connect_again(self) -> None:
        self.close()
        self._connection = connect(self._address, writable=True)
        if not self._execute(_TRY):
            # the server may not have noticed the end of the former connection
            former = {**self._parameters, "pid": self._pid}
            is_ended = self._connection.execute(_END, former).scalar()
            if not (is_ended and self._wait()):
                raise self._locked(self._writer(self._connection))
        self._pid = _pid(self._connection)
        self._restore(self._connection)

    def _execute(self, query: sa.Executable) -> object:
        return self._connection.execute(query, self._parameters).scalar()


def _pid(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar() or 0)


def _has_ended(writer: Json | None) -> bool:
    """Whether a writer was a process of this machine that has ended."""
    if not isinstance(writer, Mapping) or writer.get("host") != platform.node():
        return False
    return process_of(writer) is None
