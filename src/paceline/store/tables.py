"""The tables of a study's database, and what their rows say.

Events and current values have a checksum: SQLite has none, so that a digit which was damaged on the
disk would be taken for another score. What earlier versions wrote has no checksum, and is taken as
it is.
"""

import json
import zlib
from typing import Any

import sqlalchemy as sa

from paceline.core.events import Event, Json, from_json, to_json
from paceline.store.store import Stored

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("checksum", sa.Integer),
)
VALUES = sa.Table(
    "current",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("checksum", sa.Integer),
)
SNAPSHOTS = sa.Table(
    "snapshot",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("checksum", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# all columns that are there: a database that an earlier version wrote may have no checksums
SELECT_EVENTS = sa.text("SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :most")
SELECT_VALUES = sa.text("SELECT * FROM current WHERE :name IS NULL OR name = :name")


def make(connection: sa.Connection) -> None:
    """Makes the tables that are not there, and the columns that an earlier version's have not."""
    METADATA.create_all(connection)
    for table in (EVENTS, VALUES):
        known = {
            row.name for row in connection.execute(sa.text(f"PRAGMA table_info({table.name})"))
        }
        if "checksum" not in known:
            connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN checksum INTEGER"))
    connection.commit()


def row_of_event(event: Event, time: float) -> dict[str, Json]:
    """An event as it is stored."""
    kind, told = to_json(event)
    body = dump(told)
    return {"time": time, "kind": kind, "body": body, "checksum": _of_event(time, kind, body)}


def row_of_value(name: str, value: Json) -> dict[str, Json]:
    """A current value as it is stored."""
    text = dump(value)
    return {"name": name, "value": text, "checksum": _of_value(name, text)}


def event_of(row: sa.Row[Any]) -> Stored:
    """What `row_of_event` stored.

    Raises:
        ValueError: it is damaged, or was written by a newer version.
        TypeError: the same.
    """
    time = float(row.time)
    _check(row, _of_event(time, row.kind, row.body))
    return Stored(row.id, time, from_json(row.kind, row.body))


def value_of(row: sa.Row[Any]) -> Json:
    """What `row_of_value` stored; raises as `event_of`."""
    _check(row, _of_value(row.name, row.value))
    return json.loads(row.value)


def dump(value: Json) -> str:
    """A value as strict and short JSON."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _check(row: sa.Row[Any], checksum: int) -> None:
    found = getattr(row, "checksum", None)
    if found is not None and found != checksum:
        raise ValueError("its checksum differs")


def _of_event(time: float, kind: str, body: str) -> int:
    return zlib.crc32(f"{time!r} {kind} {body}".encode())


def _of_value(name: str, value: str) -> int:
    return zlib.crc32(f"{name} {value}".encode())
