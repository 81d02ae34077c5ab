"""The common part of stores in databases: reading rows of events, values and a snapshot."""

import json
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa

from paceline.core import UnreadableStudy, checks
from paceline.core.events import FORMAT, Json, UnknownKind
from paceline.store.store import Snapshot, Store, Stored
from paceline.store.tables import event_of, value_of

_AT_ONCE = 10_000  # rows in memory at a time


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of a database.

    Attributes:
        events: with the parameters ``after`` (an id) and ``most`` (a number), in order.
        last: the highest id of an event.
        first: the body of the event that created the study.
        values: current values; with the parameter ``name``, None for all.
        snapshot: the snapshot.
    """

    events: sa.Executable
    last: sa.Executable
    first: sa.Executable
    values: sa.Executable
    snapshot: sa.Executable


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of a study at one moment: the id of its last event, and its current values."""

    last: int
    values: Sequence[Mapping[str, Any]]


class RowStore(Store):
    """A store whose events, current values and snapshot are rows of a database."""

    queries: ClassVar[Queries]

    @abstractmethod
    def _rows(self, query: sa.Executable, **values: Any) -> Sequence[sa.Row[Any]]:
        """The result of a query; empty if the study has no tables yet."""

    @abstractmethod
    def _damaged(self, reason: object) -> UnreadableStudy:
        """The error for a study that cannot be read."""

    @abstractmethod
    def _newer(self, found: str) -> UnreadableStudy:
        """The error for a study of a newer version; ``found`` is the evidence."""

    def events(self, after: int = 0) -> Iterator[Stored]:
        """The events with an id above ``after``, in order.

        Raises:
            UnreadableStudy: one of them is damaged, or was written by a newer version.
        """
        while rows := self._rows(self.queries.events, after=after, most=_AT_ONCE):
            for row in rows:
                after += 1
                if row.id != after:  # ids have no gaps
                    raise self._damaged(missing(after, row.id - 1))
                yield self._event(row)
            if len(rows) < _AT_ONCE:
                return

    def _event(self, row: sa.Row[Any]) -> Stored:
        try:
            return event_of(row)
        except UnknownKind as error:
            raise self._newer(f"it has {error}") from error
        except (ValueError, TypeError) as error:
            raise self._damaged(f"event {row.id}: {error}") from error

    def last(self) -> int:
        """The id of the last event; 0 if there is none. Cheap."""
        rows = self._rows(self.queries.last)
        return int(rows[0][0] or 0) if rows else 0

    def time_of(self, event: int) -> float | None:
        """When the event with an id was written; None if there is none."""
        rows = self._rows(self.queries.events, after=event - 1, most=1)
        return rows[0].time if rows and rows[0].id == event else None

    def value(self, name: str) -> Json | None:
        """A current value, or None if it was never set.

        Raises:
            UnreadableStudy: it is damaged.
        """
        rows = self._rows(self.queries.values, name=name)
        try:
            return value_of(rows[0]) if rows else None
        except (ValueError, TypeError) as error:
            raise self._damaged(f"the current value {name}: {error}") from error

    def snapshot(self) -> Snapshot | None:
        """The last saved snapshot; None if there is none that can be used.

        Snapshots are an optimisation: the events contain everything.
        """
        with suppress(UnreadableStudy):
            for row in self._rows(self.queries.snapshot):
                is_whole = (
                    isinstance(row.body, str) and zlib.crc32(row.body.encode()) == row.checksum
                )
                if is_whole and isinstance(row.last, int) and 0 < row.last <= self.last():
                    return Snapshot(row.last, row.body)
        return None

    def disregard_snapshot(self) -> None:
        """Ignores the stored snapshot, which this version cannot read, so that a new one is due."""
        self.num_in_snapshot, self.num_since_snapshot = (
            0,
            self.num_in_snapshot + self.num_since_snapshot,
        )

    def mark(self) -> Mark:
        """The current state of the study, for `rewind`."""
        rows = self._rows(self.queries.values, name=None)
        return Mark(self.last(), [dict(row._mapping) for row in rows])

    def damaged(self, event: int, reason: object) -> UnreadableStudy:
        """The error for an event that cannot be used."""
        return self._damaged(f"event {event}: {reason}")

    def _check(self) -> bool:
        """Checks that this is a study that this version can read, or is being created.

        Returns:
            Whether it has events.

        Raises:
            UnreadableStudy: it is not.
        """
        rows = self._rows(self.queries.first)
        if not rows:
            return False
        try:
            found = checks.integer(json.loads(rows[0][0])["format"])
        except (ValueError, TypeError, KeyError):
            found = None
        if found is None or found < 1:
            raise self._damaged("its first event does not contain the format")
        if found > FORMAT:
            raise self._newer(f"its format is {found}")
        return True

    def _count(self) -> None:
        kept = self.snapshot()
        self.num_in_snapshot = kept.last if kept else 0
        self.num_since_snapshot = self.last() - self.num_in_snapshot


def missing(first: int, last: int) -> str:
    """The text for missing events."""
    if first == last:
        return f"event {first:,} is missing"
    return f"events {first:,} to {last:,} are missing"
