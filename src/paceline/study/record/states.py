"""The states of trials that have not ended: which files are valid, and which are on the disk."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from paceline.core.events import Json
from paceline.store.delayed_flush import DelayedFlush
from paceline.study.record.checkpoint_index import NAME, Entry
from paceline.study.record.parts import Parts


class States:
    """The valid states of running trials, and the earlier ones until these are on the disk.

    Attributes:
        entries: by number of the trial.
        dropped: files that were dropped; another trial may still need one.
        is_stored: whether nothing has changed since the entries were last taken to be stored.
    """

    def __init__(self, entries: dict[int, Entry], flush: DelayedFlush) -> None:
        """The stored entries, which are changed in place, and what flushes their files."""
        self.entries, self._flush = entries, flush
        self.dropped: set[str] = set()
        self.is_stored = True
        self._parts = Parts(NAME, entries)
        # Trials that have an earlier state, and a last one that was whole when it was written or
        # read.
        self._unsettled: set[int] = set()
        self._num_settled = 0

    @property
    def files(self) -> set[str]:
        """The files that are needed."""
        return {name for entry in self.entries.values() for name in entry.files}

    def add(self, number: int, entry: Entry) -> None:
        """Adds a state whose file has just been written."""
        old = self.entries.get(number)
        if old is not None and (old.earlier is None or self._flush.is_flushed(old.file)):
            old = replace(old, earlier=None)
        elif old is not None:
            old = old.earlier
        self.set(number, replace(entry, earlier=old))
        self._unsettled.add(number)

    def set(self, number: int, entry: Entry | None) -> None:
        """Replaces the state of a trial; None for none."""
        old = self.entries.pop(number, None)
        if entry is not None:
            self.entries[number] = entry
        if old is not None or entry is not None:
            self.is_stored = False
            self._parts.change(number)
        self.dropped.update(() if old is None else old.files)

    def go_back(self, number: int) -> int:
        """Drops the state of a trial, which cannot be used.

        Returns:
            The epoch of the earlier one that takes its place; 0 if there is none.
        """
        known = self.entries.get(number)
        earlier = None if known is None else known.earlier
        self.set(number, earlier)
        return 0 if earlier is None else earlier.epoch

    def check(self, is_whole: Callable[[int, Entry], bool]) -> None:
        """Checks the states of an earlier session, which may have been killed.

        An earlier state stays where the last one is not whole: it may be needed.
        """
        doubtful = [number for number, entry in self.entries.items() if entry.earlier is not None]
        self._unsettled.update(n for n in doubtful if is_whole(n, self.entries[n]))

    def settle(self, *, wait: bool = False) -> None:
        """Drops the earlier states of those trials whose last state is on the disk now.

        Args:
            wait: whether to wait until all are.

        Raises:
            OSError: files could not be flushed.
        """
        if wait:
            self._flush.wait()
        else:
            self._flush.check()
        if self._num_settled == self._flush.num_groups:
            return
        self._num_settled = self._flush.num_groups
        for number in sorted(self._unsettled):
            entry = self.entries.get(number)
            if entry is None or self._flush.is_flushed(entry.file):
                self._unsettled.discard(number)
                if entry is not None and entry.earlier is not None:
                    self.set(number, replace(entry, earlier=None))

    def take(self, head: Mapping[str, Json]) -> dict[str, Json]:
        """The current values to store; ``head`` is the index without the entries."""
        self.is_stored = True
        return self._parts.take(head, self.entries, Entry.to_json)

    def were_not_stored(self) -> None:
        """The result of `take` could not be stored; the next one will be complete."""
        self.is_stored = False
        self._parts.change_all()
