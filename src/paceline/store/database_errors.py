"""Opening of a study's database, and clear errors for it."""

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from paceline.core import PacelineError, UnreadableStudy, command_line
from paceline.core.events import UnknownKind
from paceline.store.files import cannot_write
from paceline.store.paths import LOG
from paceline.store.store import Stored
from paceline.store.tables import event_of

NEWER = "a newer version wrote it"
"""The error's reason in that case."""

_WRITER_WAITS = 60.0  # seconds for a reader to finish; only changing to WAL mode needs that


def engine_of(path: Path) -> sa.Engine:
    """An engine whose connections write exactly this file, whatever characters its name has.

    The file is created if there is none. Readers use `paceline.store.reading`.
    """
    # a relative path could begin with "file:", a URI for some builds of SQLite
    whole = path.absolute()
    return sa.create_engine(
        "sqlite://",
        creator=partial(sqlite3.connect, whole, timeout=_WRITER_WAITS),
        poolclass=sa.pool.NullPool,
    )


def check_log(path: Path) -> None:
    """Checks that SQLite will not remove the database's log, as it does for an empty database.

    Raises:
        UnreadableStudy: there is an empty database, and a log.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size and path.exists() and not path.stat().st_size:
        raise damaged(path, f"it is empty, but {log.name} is not")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Converts SQLite's errors for the database at ``path`` to clear ones, inside the block.

    Raises:
        UnreadableStudy: the file is damaged or is not a study.
        PacelineError: it cannot be written or read for another reason.
    """
    try:
        yield
    except (
        sa.exc.StatementError
    ) as error:  # also if SQLite returned invalid values, such as text for a number
        raise _in_words(path, error.orig) from error
    except sqlite3.Error as error:
        raise _in_words(path, error) from error
    except OSError as error:
        raise PacelineError(f"{path} cannot be read ({error.strerror or error}).") from error


def _in_words(path: Path, error: BaseException | None) -> PacelineError:
    """An error of SQLite as one that says what to do."""
    name, reason = getattr(error, "sqlite_errorname", None) or "", str(error)
    if name == "SQLITE_FULL":
        return PacelineError(cannot_write(path, errno.ENOSPC))
    if name.startswith("SQLITE_IOERR"):
        return PacelineError(cannot_write(path, errno.EIO))
    if name.startswith("SQLITE_READONLY"):
        return PacelineError(cannot_write(path, errno.EROFS))
    if name.startswith("SQLITE_CANTOPEN"):
        return PacelineError(
            f"{path} cannot be opened; make it and its directory readable, and writable to resume "
            "the study."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return PacelineError(
            f"{path} is in use by another program ({reason}); try again when it has ended."
        )
    if "no such table" in reason or "no such column" in reason:
        return UnreadableStudy(
            f"{path} is not a study of paceline ({reason}); use another directory."
        )
    return damaged(path, reason)


def damaged(path: Path, reason: object) -> UnreadableStudy:
    """The error for a study that cannot be read; ``reason`` is what was found."""
    look = command_line("doctor", path.parent)
    message = f"{path} is damaged ({reason}). To see what can be read, and repaired: {look}"
    return UnreadableStudy(message, str(reason))


def emptied(path: Path, results: Sequence[str]) -> UnreadableStudy:
    """The error for an empty database beside results."""
    reason = f"it is empty, but there are results beside it: {', '.join(results)}"
    fix = f"Restore it from a copy, together with {LOG} if there is one; or use another directory."
    return UnreadableStudy(f"{path} is damaged ({reason}). {fix}", reason)


def newer(path: Path, found: str) -> UnreadableStudy:
    """The error for a study of a newer version; ``found`` is the evidence."""
    return UnreadableStudy(
        f"{path.parent} was written by a newer Paceline ({found}, which this version does not "
        "know). Install a newer one: pip install --upgrade paceline",
        NEWER,
    )


def read_event(path: Path, row: sa.Row[Any]) -> Stored:
    """The event in a row of the database at ``path``.

    Raises:
        UnreadableStudy: it is damaged, or was written by a newer version.
    """
    try:
        return event_of(row)
    except UnknownKind as error:
        raise newer(path, f"it has {error}") from error
    except (ValueError, TypeError) as error:
        raise damaged(path, f"event {row.id}: {error}") from error
