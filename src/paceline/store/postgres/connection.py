"""The connection of a study's writer: its lock, and what happens when the server is gone.

The lock is an advisory lock of the session, so PostgreSQL releases it when the process ends,
however that happens. After a lost connection the writer connects again, takes the lock again, and
checks that nobody has written the study since.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import sqlalchemy as sa

from paceline.core import PacelineError, StudyLocked, command_line, interrupts
from paceline.core.events import Json
from paceline.store.postgres.address import DatabaseAddress
from paceline.store.postgres.schema import LOCKS
from paceline.store.postgres.server import (
    connect,
    in_words,
    may_pass,
    patient,
    reason_of,
    state_of,
)
from paceline.store.writer import has_ended, writer_in_words

_T = TypeVar("_T")

_TRY = sa.text("SELECT pg_try_advisory_lock(:locks, :study)")
_WAIT = sa.text("SELECT pg_advisory_lock(:locks, :study)")
_END = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid = :pid AND locktype = 'advisory' "
    "AND granted AND classid = :locks AND objid = :study"
)
_LOCK_SECONDS, _TIMED_OUT = 10, "55P03"
_LOCK_TIMEOUT = f"SET lock_timeout = '{_LOCK_SECONDS}s'"
_NO_LOCK_TIMEOUT = "SET lock_timeout = DEFAULT"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0  # seconds between two attempts to connect

Connected = Callable[[sa.Connection], None]


class _Outage:
    """The time in which the server cannot be used.

    Attributes:
        since: the time of day at which the work began that failed; from there its length counts.
        num_attempts: to connect.
        pause: before the next one, in seconds.

    Args:
        silent: seconds from the beginning of the work until it failed.
    """

    def __init__(self, silent: float) -> None:
        self._noticed, self._silent = time.monotonic(), silent
        self.since = time.strftime("%X", time.localtime(time.time() - silent))
        self.num_attempts, self.pause = 0, _FIRST_PAUSE

    @property
    def seconds(self) -> float:
        """Its length until now."""
        return self.waited + self._silent

    @property
    def waited(self) -> float:
        """The part of it in which connections were tried."""
        return time.monotonic() - self._noticed


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
        save: is called while the server cannot be used; returns where that is kept which is not
            stored.
        announce: is called with lines for the user.

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
        announce: Callable[[str], None],
    ) -> None:
        self._address, self._connection = address, connection
        self._parameters = {"locks": LOCKS, "study": study}
        self._writer, self._restore = writer, restore
        self._save, self._announce = save, announce
        self.is_away = False
        self._gave_up: PacelineError | None = None
        self._take()
        self._pids = [_pid(connection)]  # of the sessions that may have the lock

    def run(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Returns the result of ``work``, which is called again after a failure that may pass.

        Raises:
            StudyLocked: another process has taken the study while the connection was lost.
            PacelineError: the server could not be used in time, or refuses the work.
        """
        outage: _Outage | None = None
        while True:
            if self._gave_up is not None:
                raise self._gave_up.with_traceback(None)
            began = time.monotonic()
            try:
                done = work(self._connection)
            except sa.exc.DBAPIError as error:
                if not may_pass(error):
                    raise in_words(self._address, error) from error
                failure = error
            else:
                if outage is not None:
                    self._say_end_of(outage)
                return done
            # not in the handler, so that what is raised has no long list of causes
            outage = outage or _Outage(time.monotonic() - began)
            self._reconnect(failure, outage)

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
        if has_ended(holder):
            try:
                self._wait()
                return
            except sa.exc.DBAPIError as error:
                if state_of(error) != _TIMED_OUT:
                    raise
        raise self._locked(holder)

    def _wait(self) -> None:
        """Waits for the lock of a process or a session that has ended; not for ever."""
        self._connection.exec_driver_sql(_LOCK_TIMEOUT)
        with patient(self._connection, _LOCK_SECONDS):
            self._execute(_WAIT)
        self._connection.exec_driver_sql(_NO_LOCK_TIMEOUT)  # of later statements

    def _locked(self, holder: Json | None) -> StudyLocked:
        return StudyLocked(
            f"study {self._address.text} is being written by {writer_in_words(holder)}; wait for "
            f"it or stop it, or use another name."
        )

    def _reconnect(self, failure: sa.exc.DBAPIError, outage: "_Outage") -> None:
        """Connects again; if that fails, so does all later work.

        Whatever the server answers meanwhile is waited for: one that is restored from a backup may
        not know the user or the database for a time.
        """
        while True:
            try:
                self._pause(failure, outage)
                self._connect_again()
                return
            except sa.exc.DBAPIError as error:
                failure = error
            except (PacelineError, KeyboardInterrupt) as error:
                self.is_away = not isinstance(error, StudyLocked)
                if isinstance(error, PacelineError):
                    self._gave_up = error
                else:  # Ctrl+C
                    self._gave_up = self._given_up(failure, outage)
                self.close()
                raise

    def _pause(self, failure: sa.exc.DBAPIError, outage: "_Outage") -> None:
        """Waits before an attempt to connect, but for the first one."""
        outage.num_attempts += 1
        if outage.num_attempts == 1:
            return
        left = self._address.wait - outage.waited
        if left <= 0:
            raise self._given_up(failure, outage)
        if outage.num_attempts == 2:
            with suppress(PacelineError):
                self._save()  # this process may be killed while it waits
            self._say(
                f"PostgreSQL at {self._address.place} cannot be used since {outage.since} "
                f"({reason_of(failure)}); the study waits for it, at most {self._address.wait:g} s"
            )
        interrupts.check()
        threading.Event().wait(min(outage.pause, left))
        outage.pause = min(2 * outage.pause, _LONGEST_PAUSE)

    def _say_end_of(self, outage: "_Outage") -> None:
        if outage.num_attempts > 1:
            self._say(
                f"PostgreSQL at {self._address.place} is there again after {outage.seconds:.1f} s; "
                "the study continues, and has lost nothing"
            )

    def _say(self, text: str) -> None:
        with suppress(Warning):  # where warnings are errors this one does not end the study
            self._announce(text)

    def _given_up(self, failure: sa.exc.DBAPIError, outage: "_Outage") -> PacelineError:
        try:
            kept = f"is kept in {self._save()}"
        except PacelineError as error:  # such as that the disk is full
            kept = f"could not be kept either ({error})"
        return PacelineError(
            f"PostgreSQL at {self._address.place} was not there again within "
            f"{outage.seconds:.1f} s ({reason_of(failure)}). What is not stored {kept}; when the "
            f"server is there, resume on this machine: {command_line('resume', self._address.text)}"
        )

    def _connect_again(self) -> None:
        self.close()
        self._connection = connect(self._address, writable=True)
        pid, former = _pid(self._connection), self._pids
        self._pids = [*former, pid]  # this one may get the lock and break before it says so
        # the server may not have noticed the end of the former connections
        if not self._execute(_TRY):
            if self._end(former):
                self._wait()  # one that hangs does not end at once, and is waited for like a server
            elif not self._execute(_TRY):  # else it has just ended by itself
                raise self._locked(self._writer(self._connection))
        self._pids = [pid]
        self._restore(self._connection)

    def _end(self, sessions: list[int]) -> bool:
        """Ends those of these sessions that have the lock; returns whether there was one."""
        each = [{**self._parameters, "pid": pid} for pid in sessions]
        ended = [self._connection.execute(_END, one).scalar() for one in each]
        return any(ended)

    def _execute(self, query: sa.Executable) -> object:
        return self._connection.execute(query, self._parameters).scalar()


def _pid(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar() or 0)
