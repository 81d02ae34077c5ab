"""The tables of studies in PostgreSQL; see `paceline.store.tables` for those in SQLite.

All studies of a database are in the same tables. ``paceline_version`` has one row, the version of
the tables. A writer of a newer Paceline brings older tables up to date (`_MIGRATIONS`).
"""

import sqlalchemy as sa

from paceline.core import UnreadableStudy
from paceline.store.database_errors import NEWER
from paceline.store.postgres.address import DatabaseAddress
from paceline.store.postgres.server import patient

VERSION = 1
"""Of the tables; increased with each entry of `_MIGRATIONS`."""

LOCKS = 0x50414345
"""The first of the two numbers of every advisory lock of Paceline; the second is a study's id."""

_MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        """CREATE TABLE paceline_studies (
            id serial PRIMARY KEY,
            name text NOT NULL UNIQUE,
            created double precision NOT NULL,
            files text,
            host text,
            directory text)""",
        """CREATE TABLE paceline_events (
            study integer NOT NULL REFERENCES paceline_studies ON DELETE CASCADE,
            id bigint NOT NULL,
            time double precision NOT NULL,
            kind text NOT NULL,
            body text NOT NULL,
            checksum bigint,
            PRIMARY KEY (study, id))""",
        """CREATE TABLE paceline_current (
            study integer NOT NULL REFERENCES paceline_studies ON DELETE CASCADE,
            name text NOT NULL,
            value text NOT NULL,
            checksum bigint,
            PRIMARY KEY (study, name))""",
        """CREATE TABLE paceline_snapshot (
            study integer PRIMARY KEY REFERENCES paceline_studies ON DELETE CASCADE,
            last bigint NOT NULL,
            checksum bigint NOT NULL,
            body text NOT NULL)""",
    ),
}
"""The statements that lead from each version to the next, by the number of the next."""

_LONGEST = 600.0  # seconds for each statement that changes the tables, and for its turn to do so

_FOUND = sa.text("SELECT to_regclass('paceline_version') IS NOT NULL")
_VERSION = sa.text("SELECT max(version) FROM paceline_version")


def version_of(connection: sa.Connection, address: DatabaseAddress) -> int:
    """The version of the tables; 0 if there are none.

    Raises:
        UnreadableStudy: they are of a newer version.
    """
    if not connection.execute(_FOUND).scalar():
        return 0
    found = connection.execute(_VERSION).scalar() or 0
    if found > VERSION:
        database = address.named("").text
        raise UnreadableStudy(
            f"the studies in {database} were written by a newer Paceline (its tables are of "
            f"version {found}, and this version knows {VERSION}). Install a newer one: pip install "
            f"--upgrade paceline",
            NEWER,
        )
    return int(found)


def make(connection: sa.Connection, address: DatabaseAddress) -> None:
    """Creates the tables, or brings older ones up to date; in one transaction.

    Raises:
        UnreadableStudy: they are of a newer version.
    """
    if version_of(connection, address) == VERSION:
        return
    engine = connection.engine.execution_options(isolation_level="READ COMMITTED")
    with engine.connect() as changed, patient(changed, _LONGEST), changed.begin():
        # of several processes one creates them
        changed.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCKS}, 0)"))
        found = version_of(changed, address)
        if not found:
            changed.exec_driver_sql("CREATE TABLE paceline_version (version integer NOT NULL)")
        for number in range(found + 1, VERSION + 1):
            for statement in _MIGRATIONS[number]:
                changed.exec_driver_sql(statement)
        changed.execute(sa.text("DELETE FROM paceline_version"))
        changed.execute(sa.text("INSERT INTO paceline_version VALUES (:v)"), {"v": VERSION})
