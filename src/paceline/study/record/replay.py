"""Reads the record of a study from its store, starting at the last snapshot."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from paceline.core import PacelineError
from paceline.store import Store, Stored, open_store, study_directory
from paceline.study.record import snapshot
from paceline.study.record.record import Record
from paceline.study.record.timeline import Clock

# A snapshot is written after this many new events, if they are also this share of those that the
# last one covers, so that writing snapshots takes little time compared with the events.
_FEWEST_EVENTS = 2_000
_SHARE = 0.25


@dataclass(eq=False)
class Folded:
    """The state after a study's events, up to one of them.

    Attributes:
        record: the state of the study.
        clock: where the study's time went.
        last: id of the last event; 0 before the first.
    """

    record: Record = field(default_factory=Record)
    clock: Clock = field(default_factory=Clock)
    last: int = 0

    def take(self, one: Stored) -> None:
        """Applies one more event.

        Raises:
            ValueError: it is not consistent with earlier events.
        """
        try:
            self.record.apply(one.event)
            self.clock.take(one)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            kind = type(one.event).__name__
            raise ValueError(f"{kind} does not fit what was stored before it: {error!r}") from error
        self.last = one.id


def fold(store: Store) -> Folded:
    """Applies all events of a store.

    Raises:
        UnreadableStudy: an event is damaged, or is not consistent with earlier ones.
    """
    folded = _from_snapshot(store) or Folded()
    for _ in _apply_all(folded, store):
        pass
    return folded


def catch_up(folded: Folded, store: Store) -> list[Stored]:
    """Applies the events that a store has beyond those applied so far; returns them.

    Raises:
        UnreadableStudy: as `fold`; events before the damaged one were applied.
    """
    return list(_apply_all(folded, store))


def _apply_all(folded: Folded, store: Store) -> Iterator[Stored]:
    """Applies events one by one; those of a large study are never in memory together."""
    for one in store.events(folded.last):
        try:
            folded.take(one)
        except ValueError as error:
            raise store.damaged(one.id, error) from error
        yield one


def read_record(directory: str | os.PathLike[str]) -> Record:
    """Reads the record of the study in a directory; another process may be writing it.

    Raises:
        InvalidInput: there is no study.
        UnreadableStudy: it is damaged.
    """
    store = open_store(study_directory(directory), writable=False)
    try:
        return fold(store).record
    finally:
        store.close()


@contextmanager
def writing(directory: Path, store: str | None = None) -> Iterator[Store]:
    """Opens the store of a study for writing in the block; keeps a snapshot at its end.

    Args:
        directory: that of the study.
        store: as in `paceline.store.open_store`.

    Raises:
        StudyLocked: another process writes it.
        InvalidInput: another store than the study's, or an unknown one.
    """
    opened = open_store(directory, writable=True, store=store)
    try:
        yield opened
    finally:
        with suppress(PacelineError):  # an error of the store may have ended the block
            keep_snapshot(opened, share=0.0)
        opened.close()


def keep_snapshot(
    store: Store, share: float = _SHARE, folded: Callable[[], Folded] | None = None
) -> None:
    """Stores a snapshot of the record, if enough events have come since the last one.

    Args:
        store: open for writing.
        share: minimum number of new events, as a share of those that the last snapshot covers.
        folded: returns the state after the stored events, if it is known; else they are read.
    """
    if store.num_since_snapshot >= max(_FEWEST_EVENTS, share * store.num_in_snapshot):
        state = fold(store) if folded is None else folded()
        body = snapshot.dump(state.record, state.clock)
        if body is not None:
            store.save_snapshot(state.last, body)


def _from_snapshot(store: Store) -> Folded | None:
    found = store.snapshot()
    state = None if found is None else snapshot.load(found.body)
    if found is None or state is None:
        store.disregard_snapshot()
        return None
    return Folded(*state, found.last)
