"""The tables of a study's database, and conversion of their rows.

Events and current values have checksums: SQLite has none, so that a digit damaged on the disk would
be read as another score. Rows of early versions have no checksums, and are not checked.
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

# all columns, since a database of an early version may lack checksums
SELECT_EVENTS = sa.text("SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :most")
SELECT_VALUES = sa.text("SELECT * FROM current WHERE :name IS NULL OR name = :name")


def make(connection: sa.Connection) -> None:
    """Creates missing tables, and columns that an early version did not have."""
    METADATA.create_all(connection)
    for table in (EVENTS, VALUES):
        known = {
            row.name for row in connection.execute(sa.text(f"PRAGMA table_info({table.name})"))
        }
        if "checksum" not in known:
            connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN checksum INTEGER"))
    connection.commit()


def row_of_event(event: Event, time: float) -> dict[str, Json]:
    """The row of an event."""
    kind, fields = to_json(event)
    body = dump(fields)
    return {"time": time, "kind": kind, "body": body, "checksum": _of_event(time, kind, body)}


def row_of_value(name: str, value: Json) -> dict[str, Json]:
    """The row of a current value."""
    text = dump(value)
    return {"name": name, "value": text, "checksum": _of_value(name, text)}


def event_of(row: sa.Row[Any]) -> Stored:
    """The inverse of `row_of_event`.

    Raises:
        ValueError: it is damaged, or was written by a newer version.
        TypeError: the same.
    """
    time = float(row.time)
    _check(row, _of_event(time, row.kind, row.body))
    return Stored(row.id, time, from_json(row.kind, row.body))


def value_of(row: sa.Row[Any]) -> Json:
    """The inverse of `row_of_value`; raises the same errors as `event_of`."""
    _check(row, _of_value(row.name, row.value))
    return json.loads(row.value)


def dump(value: Json) -> str:
    """A value as strict, compact JSON."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _check(row: sa.Row[Any], checksum: int) -> None:
    found = getattr(row, "checksum", None)
    if found is not None and found != checksum:
        raise ValueError("its checksum differs")


def _of_event(time: float, kind: str, body: str) -> int:
    return zlib.crc32(f"{time!r} {kind} {body}".encode())


def _of_value(name: str, value: str) -> int:
    return zlib.crc32(f"{name} {value}".encode())
