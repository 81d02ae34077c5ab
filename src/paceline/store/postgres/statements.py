"""The statements of the store in PostgreSQL.

An append is one statement, so that it is one transaction and one journey to the server: events and
values are passed as arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paceline.store.rows import Queries

_EVENTS = {"id": "bigint", "time": "float8", "kind": "text", "body": "text", "checksum": "bigint"}
_VALUES = {"name": "text", "value": "text", "checksum": "bigint"}

QUERIES = Queries(
    events=sa.text(
        "SELECT id, time, kind, body, checksum FROM paceline_events "
        "WHERE study = :study AND id > :after ORDER BY id LIMIT :most"
    ),
    last=sa.text("SELECT max(id) FROM paceline_events WHERE study = :study"),
    first=sa.text(
        "SELECT body FROM paceline_events WHERE study = :study AND kind = 'StudyCreated' "
        "ORDER BY id LIMIT 1"
    ),
    values=sa.text(
        "SELECT name, value, checksum FROM paceline_current "
        "WHERE study = :study AND (CAST(:name AS text) IS NULL OR name = :name)"
    ),
    snapshot=sa.text("SELECT last, checksum, body FROM paceline_snapshot WHERE study = :study"),
)
IDENTITY = sa.text("SELECT id FROM paceline_studies WHERE name = :name")
LOCKED = sa.text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :locks AND "
    "objid = :study AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Whether the study has a writer; everybody may see the locks of a database."""

REMOVE = sa.text("DELETE FROM paceline_studies WHERE id = :study")
SAVE_SNAPSHOT = sa.text(
    "INSERT INTO paceline_snapshot (study, last, checksum, body) "
    "VALUES (:study, :last, :checksum, :body) ON CONFLICT (study) DO UPDATE "
    "SET last = excluded.last, checksum = excluded.checksum, body = excluded.body"
)


def _unnested(columns: Mapping[str, str], prefix: str) -> str:
    arrays = ", ".join(f"CAST(:{prefix}{name} AS {kind}[])" for name, kind in columns.items())
    return f"SELECT :study, * FROM unnest({arrays})"


_REPLACE = (
    f"INSERT INTO paceline_current (study, {', '.join(_VALUES)}) {_unnested(_VALUES, 'value_')} "
    "ON CONFLICT (study, name) DO UPDATE "
    "SET value = excluded.value, checksum = excluded.checksum"
)
_INSERT = (
    f"INSERT INTO paceline_events (study, {', '.join(_EVENTS)}) {_unnested(_EVENTS, 'event_')}"
)
_EVENTS_ALONE = sa.text(_INSERT)
_VALUES_ALONE = sa.text(_REPLACE)
_BOTH = sa.text(f"WITH written AS ({_INSERT}) {_REPLACE}")
_AGAIN = sa.text(f"WITH written AS ({_INSERT} ON CONFLICT DO NOTHING) {_REPLACE}")

REWIND = sa.text(
    "WITH a AS (DELETE FROM paceline_events WHERE study = :study AND id > :last), "
    "b AS (DELETE FROM paceline_snapshot WHERE study = :study AND last > :last), "
    "c AS (DELETE FROM paceline_current WHERE study = :study "
    f"AND NOT name = ANY(CAST(:value_name AS text[]))) {_REPLACE}"
)


@dataclass(frozen=True, eq=False)
class Batch:
    """Events and values of one transaction, as arrays by parameter."""

    events: Mapping[str, Sequence[Any]]
    values: Mapping[str, Sequence[Any]]

    @classmethod
    def of(
        cls, events: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]]
    ) -> "Batch":
        """A batch of rows."""
        return cls(
            {f"event_{name}": [row[name] for row in events] for name in _EVENTS},
            {f"value_{name}": [row[name] for row in values] for name in _VALUES},
        )


def append(connection: sa.Connection, study: int, batch: Batch, *, again: bool = False) -> None:
    """Appends a batch, in one transaction.

    Args:
        connection: in the mode in which each statement is a transaction.
        study: the number of the study.
        batch: what is appended.
        again: whether events that are there already are left as they are.
    """
    has_events, has_values = bool(batch.events["event_id"]), bool(batch.values["value_name"])
    if again or (has_events and has_values):
        statement = _AGAIN if again else _BOTH
        parameters = {**batch.events, **batch.values}
    elif has_events:
        statement, parameters = _EVENTS_ALONE, dict(batch.events)
    elif has_values:
        statement, parameters = _VALUES_ALONE, dict(batch.values)
    else:
        return
    connection.execute(statement, {"study": study, **parameters})
