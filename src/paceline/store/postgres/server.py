"""Connections to a PostgreSQL server, and clear errors for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from paceline.core import InvalidInput, PacelineError, UnreadableStudy, command_line
from paceline.store.postgres.address import DatabaseAddress

_CONNECTION = {
    "application_name": "paceline",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    # a server that is gone is noticed within a minute, also by connections that are idle
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# a client that is gone is noticed too, so that its lock does not stay for hours
_SESSION = "SET tcp_keepalives_idle=30; SET tcp_keepalives_interval=10; SET tcp_keepalives_count=3"
_READING = "SET default_transaction_read_only=on"

# Classes and codes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST = ("08", "57P01", "57P02", "57P03", "53300")
_PASSING = ("53", "25006", "57014", "40001", "40P01")
_NO_RIGHT, _READ_ONLY, _NO_DATABASE = "42501", "25006", "3D000"
_NO_TABLE, _NO_ROOM, _NO_LOGIN = ("42P01", "42703"), ("53100", "58030"), ("28P01", "28000")


def engine_of(address: DatabaseAddress) -> sa.Engine:
    """An engine for the database of an address; every statement is its own transaction.

    Raises:
        InvalidInput: psycopg is not installed, or the address has an unknown parameter.
    """
    given = {name for name, _ in address.server.query.items()}
    options = {name: value for name, value in _CONNECTION.items() if name not in given}
    try:
        from paceline.store.postgres import answers
    except ImportError as error:
        raise InvalidInput(
            f"the study is in PostgreSQL, and psycopg cannot be imported ({error})",
            expected="the packages for PostgreSQL",
            fix="Install them with: pip install 'paceline[postgres]'",
        ) from error
    engine = sa.create_engine(
        address.server,
        connect_args={**options, **address.secrets},
        isolation_level="AUTOCOMMIT",
        poolclass=sa.pool.NullPool,
        hide_parameters=True,
    )
    answers.limit(engine, address.answer)
    return engine


def connect(address: DatabaseAddress, *, writable: bool) -> sa.Connection:
    """A connection to the database of an address; raises SQLAlchemy's errors."""
    connection = engine_of(address).connect()
    try:
        connection.exec_driver_sql(_SESSION if writable else f"{_SESSION}; {_READING}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def patient(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """In the block an answer may come so many seconds later: what is asked for takes its time."""
    driver: Any = connection.connection.driver_connection
    driver.patience += seconds
    try:
        yield
    finally:
        driver.patience -= seconds


@contextmanager
def explained(address: DatabaseAddress) -> Iterator[None]:
    """Converts errors of the server to clear ones, inside the block.

    Raises:
        UnreadableStudy: the database contains something else than studies of Paceline.
        InvalidInput: the address is wrong.
        PacelineError: the server cannot be used for another reason.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        # of a lost connection the drivers say nothing more
        raise in_words(address, error) from (None if is_lost(error) else error)


def is_lost(error: sa.exc.DBAPIError) -> bool:
    """Whether an error means that the server is gone, or is not yet there."""
    state = state_of(error)
    if state or error.connection_invalidated:  # so also one that was idle for too long
        return error.connection_invalidated or state.startswith(_LOST)
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))


def may_pass(error: sa.exc.DBAPIError) -> bool:
    """Whether an error of a writer may be over when it is tried again after a while.

    Besides a lost connection: a server that became the standby of another one, a disk or a memory
    that is full, a statement that somebody cancelled.
    """
    return is_lost(error) or state_of(error).startswith(_PASSING)


def state_of(error: sa.exc.DBAPIError) -> str:
    """PostgreSQL's code of an error; "" for an error of the connection."""
    return getattr(error.orig, "sqlstate", None) or ""


def reason_of(error: sa.exc.DBAPIError) -> str:
    """The cause of an error on one line."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    text = lines[-1 if "attempts failed" in lines[0] else 0] if lines else "no reason was given"
    for prefix in ("connection failed:", "- ", "FATAL:"):
        text = text.removeprefix(prefix).strip()
    _, failed, reason = text.partition("failed: ")
    return (reason if failed and text.startswith("connection to server") else text).rstrip(".")


def in_words(address: DatabaseAddress, error: sa.exc.DBAPIError) -> PacelineError:
    """The clear error for one of the server."""
    reason, state = reason_of(error), state_of(error)
    user = address.server.username or "this user"
    if state == _NO_RIGHT:
        return PacelineError(
            f"PostgreSQL refuses {user} what a study needs ({reason}). Someone with the right to: "
            f"GRANT USAGE, CREATE ON SCHEMA public TO {user}; for tables that others have created: "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}, and "
            "USAGE ON ALL SEQUENCES. SELECT alone is enough to read."
        )
    if state in _NO_TABLE:
        text = f"the database of {address.text} has other tables than Paceline's ({reason})"
        return UnreadableStudy(f"{text}; use another database.", text)
    if state in _NO_ROOM:
        return PacelineError(
            f"no room left on the disk of PostgreSQL at {address.place} ({reason}); make room, "
            f"then resume: {command_line('resume', address.text)}"
        )
    if state == _READ_ONLY:
        return PacelineError(
            f"PostgreSQL at {address.place} only reads ({reason}); use the address of its primary."
        )
    return _not_connected(address, reason, state)


def _not_connected(address: DatabaseAddress, reason: str, state: str) -> PacelineError:
    lower, expected = reason.lower(), "an address such as postgresql://user@host/database/study"
    if state == _NO_DATABASE or ("database" in lower and "does not exist" in lower):
        return InvalidInput(
            f"PostgreSQL at {address.place} has no database {address.server.database!r}",
            expected="one that exists; the study comes after it: " + expected,
            fix=f"Create it with: createdb {address.server.database}",
        )
    if state in _NO_LOGIN or any(text in lower for text in ("password", "role ", "pg_hba")):
        return InvalidInput(
            f"PostgreSQL at {address.place} does not let "
            f"{address.server.username or 'this user'} in ({reason})",
            expected="the user and the password of the database",
            fix="The password is best in the environment variable PGPASSWORD or in ~/.pgpass.",
        )
    if "invalid connection option" in lower or "invalid uri query" in lower:
        return InvalidInput(
            f"the address {address.text!r} has an unknown parameter ({reason})",
            expected="files, wait, answer, or parameters of libpq, such as sslmode",
        )
    return PacelineError(
        f"PostgreSQL at {address.place} cannot be used ({reason}); expected a server that runs and "
        "can be reached from here. Check the host and the port of the address."
    )
