"""The rows of studies, and where their files are.

The files of a study (checkpoints, models, the report) are in a directory of the writer's machine,
and at the URL ``files=`` where that is one (`paceline.store.mirror`).
Without ``files=`` in the address that is a directory of the user's data, whose name follows from
the address; with it, the directory ``files=`` with the name of the study in it.
"""

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs
import sqlalchemy as sa

from paceline.core import InvalidInput
from paceline.store.mirror import Mirror, is_url, use
from paceline.store.paths import MARKER
from paceline.store.postgres.address import DatabaseAddress, parse
from paceline.store.postgres.schema import version_of
from paceline.store.postgres.server import connect, explained

_ROW = sa.text("SELECT id, files, host, directory FROM paceline_studies WHERE name = :name")
_INSERT = sa.text(
    "INSERT INTO paceline_studies (name, created) VALUES (:name, :now) ON CONFLICT DO NOTHING"
)
_RECORD = sa.text(
    "UPDATE paceline_studies SET files = coalesce(:files, files), host = :host, "
    "directory = :directory WHERE id = :study"
)


def row_of(address: DatabaseAddress) -> sa.Row[Any] | None:
    """The row of a study; None if there is none.

    Raises:
        PacelineError: the server cannot be used.
    """
    with explained(address), connect(address, writable=False) as connection:
        return row_in(connection, address)


def row_in(connection: sa.Connection, address: DatabaseAddress) -> sa.Row[Any] | None:
    """As `row_of`, with a connection."""
    if not version_of(connection, address):
        return None
    return connection.execute(_ROW, {"name": address.name}).first()


def study_in(connection: sa.Connection, address: DatabaseAddress) -> tuple[int, bool]:
    """The number of a study, which is created if there is none; and whether it was."""
    found = row_in(connection, address)
    is_new = found is None
    if found is None:
        connection.execute(_INSERT, {"name": address.name, "now": time.time()})
        found = row_in(connection, address)
    if found is None:
        raise InvalidInput(f"study {address.text} was removed meanwhile", expected="one try more")
    return int(found.id), is_new


def record(
    connection: sa.Connection, study: int, address: DatabaseAddress, directory: Path
) -> None:
    """Stores where the files of a study are from now on."""
    where = {"host": platform.node(), "directory": str(directory)}
    connection.execute(_RECORD, {"study": study, "files": address.files, **where})


def directory_of(address: DatabaseAddress) -> Path:
    """The directory for the files of a study on this machine; it need not exist.

    Raises:
        PacelineError: the server cannot be used.
    """
    found = None if address.files is not None else row_of(address)
    files = address.files if found is None else found.files
    if is_url(files):
        directory = _default(address)
        use_files(directory, address, files)
        return directory
    if address.files is not None:
        return _in_files(address, address.files)
    if found is not None:
        # what others have stored is used only where the directory says the same
        for recorded in _recorded(address, found):
            if _is_of(recorded, address):
                return recorded
    return _default(address)


def use_files(directory: Path, address: DatabaseAddress, files: str | None) -> Mirror | None:
    """The files of a study at a URL, where they are; None if they are in a directory."""
    if files is None or not is_url(files):
        return None
    return use(directory, f"{files.rstrip('/')}/{_as_path(address.name).as_posix()}")


def _recorded(address: DatabaseAddress, row: sa.Row[Any]) -> list[Path]:
    places = [] if row.files is None else [_in_files(address, row.files)]
    if row.host == platform.node() and row.directory is not None:
        places.append(Path(row.directory))
    return places


def _in_files(address: DatabaseAddress, files: str) -> Path:
    return Path(files).expanduser().absolute() / _as_path(address.name)


def _default(address: DatabaseAddress) -> Path:
    given = os.environ.get("PACELINE_STATE")
    base = Path(given) if given else platformdirs.user_data_path("paceline")
    server = quote(f"{address.place}-{address.server.database}", safe="")
    return base.absolute() / "studies" / server / _as_path(address.name)


def _as_path(name: str) -> Path:
    """The name of a study as a relative path, another one for each name."""
    return Path(*(quote(part, safe=" ") for part in name.split("/")))


def _is_of(directory: Path, address: DatabaseAddress) -> bool:
    """Whether the file with the name of a directory's store names this study."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        named = parse(json.loads((directory / MARKER).read_text("utf-8"))["store"])
        return (named.server.database, named.name) == (address.server.database, address.name)
    return False
