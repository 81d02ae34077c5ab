"""Reads the record of a study from its store, starting at the last snapshot."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from paceline.core import PacelineError
from paceline.store import Store, Stored, open_store, study_directory
from paceline.study.record import snapshot
from paceline.study.record.record import Record
from paceline.study.record.timeline import Clock

# A snapshot is written when so many events, and such a share of those that the last one covers,
# have come since: rarely enough that writing them takes a small part of the time that the events
# themselves took.
_FEWEST_EVENTS = 2_000
_SHARE = 0.25


@dataclass(eq=False)
class Folded:
    """What a study's events up to one of them add up to.

    Attributes:
        record: the state of the study.
        clock: where its time went.
        last: the id of the last event; 0 before the first.
    """

    record: Record = field(default_factory=Record)
    clock: Clock = field(default_factory=Clock)
    last: int = 0

    def take(self, one: Stored) -> None:
        """Takes one more event.

        Raises:
            ValueError: it does not fit those before it.
        """
        try:
            self.record.apply(one.event)
            self.clock.take(one)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            kind = type(one.event).__name__
            raise ValueError(f"{kind} does not fit what was stored before it: {error!r}") from error
        self.last = one.id


def fold(store: Store) -> Folded:
    """What the events of a store add up to.

    Raises:
        UnreadableStudy: an event is damaged, or does not fit those before it.
    """
    folded = _from_snapshot(store) or Folded()
    for _ in _taken(folded, store):
        pass
    return folded


def catch_up(folded: Folded, store: Store) -> list[Stored]:
    """Takes the events that a store has beyond those that were taken; gives them back.

    Raises:
        UnreadableStudy: as `fold`; what came before the damaged event was taken.
    """
    return list(_taken(folded, store))


def _taken(folded: Folded, store: Store) -> Iterator[Stored]:
    """Takes the events one by one; those of a large study are never in memory together."""
    for one in store.events(folded.last):
        try:
            folded.take(one)
        except ValueError as error:
            raise store.damaged(one.id, error) from error
        yield one


def read_record(directory: str | os.PathLike[str]) -> Record:
    """The record of the study in a directory; another process may be writing it.

    Raises:
        InvalidInput: there is none.
        UnreadableStudy: it is damaged.
    """
    store = open_store(study_directory(directory), writable=False)
    try:
        return fold(store).record
    finally:
        store.close()


@contextmanager
def writing(directory: Path, store: str | None = None) -> Iterator[Store]:
    """The store of a study, to be written in the block; at its end a snapshot is kept where readers
    gain by it.

    Args:
        directory: of the study.
        store: as in `paceline.store.open_store`.

    Raises:
        StudyLocked: another process writes it.
        InvalidInput: another store than the study has, or one that is not known.
    """
    opened = open_store(directory, writable=True, store=store)
    try:
        yield opened
    finally:
        with suppress(PacelineError):  # it may have been an error of the store that ended the block
            keep_snapshot(opened, share=0.0)
        opened.close()


def keep_snapshot(store: Store, share: float = _SHARE, folded: Folded | None = None) -> None:
    """Stores what the events add up to, where enough of them have come since that was done last.

    It is made of what is stored, not of what the writer has in memory: that may be ahead, by
    measurements that wait for their checkpoint.

    Args:
        store: open for writing.
        share: of the events that the last snapshot covers, how many have to have come since.
        folded: what is stored, where that is known; else it is read.
    """
    if store.num_since_snapshot >= max(_FEWEST_EVENTS, share * store.num_in_snapshot):
        folded = folded or fold(store)
        body = snapshot.dump(folded.record, folded.clock)
        if body is not None:
            store.save_snapshot(folded.last, body)


def _from_snapshot(store: Store) -> Folded | None:
    found = store.snapshot()
    state = None if found is None else snapshot.load(found.body)
    if found is None or state is None:
        store.disregard_snapshot()
        return None
    return Folded(*state, found.last)
