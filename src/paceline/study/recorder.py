"""Writing down what happens: every event goes into the record and the store, every network that may go on to disk."""

from collections.abc import Sequence
from typing import Any, Protocol

from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialPaused
from paceline.execute.base import Leaves, Progress, Snapshot
from paceline.store import StudyStore
from paceline.study.checkpoints import Checkpoints
from paceline.study.record import Record

_PAUSED_BYTES = 2**30  # of paused networks that are kept in memory; all of them are on disk too


class Observer(Protocol):
    """Watches a session: a progress display, for instance."""

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Called after each step with what is new."""


class Recorder:
    """The record, the store behind it and the checkpoints, kept in step."""

    def __init__(self, store: StudyStore, observer: Observer | None) -> None:
        self._store, self._observer = store, observer
        self.record = Record.of(stored.event for stored in store.events())
        self._checkpoints = Checkpoints(store.directory / "checkpoints", store.value("checkpoints"))
        self._checkpoints.prune_all()
        self._uncovered: dict[int, list[Event]] = {}
        # trials of which an epoch is missing, since Ctrl+C came while it was handed over: nothing later of them counts
        self._torn: set[int] = set()
        self._paused: dict[int, Snapshot] = {}

    def tell(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        """Stores events, and current values with them, in one transaction."""
        for event in events:
            self.record.apply(event)
        self.store(events, values)

    def store(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        """As `tell`, of events that the record has already."""
        for event in events:
            if isinstance(event, TrialEnded):
                self._forget(event.number)
        if any(isinstance(event, TrialEnded) for event in events):
            values = {**(values or {}), "checkpoints": self._checkpoints.index}
        self._store.append(events, values)
        if values and "checkpoints" in values:  # what the stored index names stays, whatever failed since
            self._checkpoints.prune()
        self._observe(events)

    def take(self, progress: Progress) -> list[int]:
        """Stores what an executor tells; epochs of running trials wait for the snapshot that covers them.

        Returns:
            The trials that came to a place where they are to be looked at, or to their end.
        """
        now: list[Event] = []
        arrived = []
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                self._measured(event)
                continue
            if isinstance(event, TrialEnded | TrialPaused):
                shares = self.record.trials[event.number].shares
                leader = event.number if shares is None else shares
                if leader in self._torn:
                    continue
                now += self._uncovered.pop(leader, [])
                arrived.append(event.number)
                if isinstance(event, TrialEnded):
                    self._forget(event.number)
            self.record.apply(event)
            now.append(event)
        self._save(progress, now, {event.number for event in now if isinstance(event, TrialPaused)})
        self._observe(progress.events)
        if progress.error is not None:
            raise progress.error
        return arrived

    def snapshot(self, number: int) -> Snapshot | None:
        """Where a trial stands that is not training now; None where it has to begin at its beginning."""
        known = self._paused.pop(number, None)
        return self._checkpoints.snapshot(number) if known is None else known

    def best_leaves(self, number: int) -> Leaves | None:
        """The variables of the best trial, where it is this one."""
        return self._checkpoints.best(number)

    def keep_as_best(self, number: int, leaves: Leaves) -> None:
        """Writes the variables of a trial that is the best one now."""
        self._checkpoints.save_best(number, leaves)
        self._store.append([], {"checkpoints": self._checkpoints.index})
        self._checkpoints.prune()

    def _measured(self, event: EpochMeasured) -> None:
        known = self.record.num_measured(event.number)
        if event.epoch > known + 1:
            self._torn.add(event.number)
        elif event.epoch > known:
            self.record.apply(event)
            self._uncovered.setdefault(event.number, []).append(event)

    def _save(self, progress: Progress, now: list[Event], paused: set[int]) -> None:
        snapshots = {number: one for number, one in progress.snapshots.items() if number not in self._torn}
        for number in snapshots:
            now += self._uncovered.pop(number, [])
        best = self.record.best
        if best is not None and best.number in progress.results:
            self._checkpoints.save_best(best.number, progress.results[best.number])
        for number in paused & snapshots.keys():  # each in a file of its own, so that it can be let go of alone
            self._checkpoints.save_running({number: snapshots[number]})
            self._keep(number, snapshots[number])
        self._checkpoints.save_running({n: one for n, one in snapshots.items() if n not in paused})
        if now or snapshots:
            self._store.append(now, {"checkpoints": self._checkpoints.index})
            self._checkpoints.prune()

    def _keep(self, number: int, snapshot: Snapshot) -> None:
        """Keeps a paused network in memory while there is room; the oldest make place."""
        self._paused[number] = snapshot
        while sum(map(num_bytes, self._paused.values())) > _PAUSED_BYTES:
            del self._paused[next(iter(self._paused))]

    def _forget(self, number: int) -> None:
        self._checkpoints.forget(number)
        self._paused.pop(number, None)

    def _observe(self, events: Sequence[Event]) -> None:
        if self._observer is not None:
            self._observer(self.record, events)


def num_bytes(snapshot: Snapshot) -> int:
    """What a snapshot takes."""
    return sum(leaf.nbytes for leaf in (*snapshot.leaves, *(snapshot.best or ())))
