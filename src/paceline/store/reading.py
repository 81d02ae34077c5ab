"""Read-only connections: they create no file and change none.

In WAL mode even a reader needs the log (``-wal``) and its index (``-shm``) beside the database, and
creates them if they do not exist. A running writer has created both, and a killed one leaves both.
Otherwise there is no writer, so that the database can be read alone; if there is a log without its
index, as in a copy of a study, copies of database and log are read.
"""

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from paceline.store.database_errors import check_log, explained
from paceline.store.files import stamp

_DATABASE: tuple[str, ...] = ("",)
# seconds for another program that has locked the database; our writer never locks out readers
_PATIENCE = 2.0
_Stamp = tuple[tuple[int, int, int] | None, ...]
# of the database's header: the versions for writing and reading; 2 is WAL
_VERSIONS = slice(18, 20)


class Reader:
    """A connection to a database that may be written meanwhile; reopened when files change."""

    def __init__(self, path: Path) -> None:
        """Opens the database.

        Raises:
            UnreadableStudy: it is damaged.
            PacelineError: it cannot be read for another reason.
        """
        self._path = path.absolute()  # a relative path could begin with "file:", a URI for SQLite
        self._connection: sa.Connection | None = None
        self._copy: Path | None = None
        # of the files; SQLite does not notice when a file is overwritten
        self._stamp: _Stamp = ()
        self._watched = _DATABASE
        self._connect()

    def connection(self) -> sa.Connection:
        """The connection to the current database."""
        if self._connection is None or self._stamp != self._stamps():
            return self._connect()
        return self._connection

    def close(self) -> None:
        """Closes the file. Raises nothing, as it may follow an error."""
        with suppress(sa.exc.DBAPIError, sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)
        self._copy = None

    def _connect(self) -> sa.Connection:
        self.close()
        self._watched = _DATABASE
        self._stamp = self._stamps()
        engine = sa.create_engine("sqlite://", creator=self._opened, poolclass=sa.pool.NullPool)
        with explained(self._path):
            check_log(self._path)
            self._connection = found = engine.connect()
        return found

    def _opened(self) -> sqlite3.Connection:
        log, index = self._beside("-wal"), self._beside("-shm")
        has_log = log.exists() and log.stat().st_size > 0
        if _is_in_wal_mode(self._path) and not (log.exists() and index.exists()):
            return self._copied() if has_log else self._as_it_is()
        try:
            return _tried(f"{self._path.as_uri()}?mode=ro")
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(
                ("SQLITE_READONLY", "SQLITE_CANTOPEN")
            ):
                raise
            # the folder is not writable and the index not usable: so there is no writer
            return self._copied() if has_log else self._as_it_is()

    def _as_it_is(self) -> sqlite3.Connection:
        self._watch_all()
        return _tried(f"{self._path.as_uri()}?mode=ro&immutable=1")

    def _copied(self) -> sqlite3.Connection:
        self._watch_all()
        self._copy = Path(tempfile.mkdtemp(prefix="paceline-"))
        for source in (self._path, self._beside("-wal")):
            shutil.copyfile(source, self._copy / source.name)
        return sqlite3.connect(self._copy / self._path.name)

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(f"{self._path.name}{ending}")

    def _watch_all(self) -> None:
        """Also watches the log and its index, which a writer creates."""
        self._watched = (*_DATABASE, "-wal", "-shm")
        self._stamp = self._stamps()

    def _stamps(self) -> _Stamp:
        return tuple(stamp(self._beside(ending)) for ending in self._watched)


def _tried(uri: str) -> sqlite3.Connection:
    """A connection that was used once, since SQLite opens the file only then."""
    found = sqlite3.connect(uri, uri=True, timeout=_PATIENCE)
    try:
        found.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        found.close()
        raise
    return found


def _is_in_wal_mode(path: Path) -> bool:
    with path.open("rb") as file:
        return 2 in file.read(_VERSIONS.stop)[_VERSIONS]
