"""Records a study: writes events to the store and networks to disk."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from paceline.core.events import (
    EpochMeasured,
    Event,
    Json,
    Noted,
    SpaceReplaced,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate, Leaves, SnapshotReference, TrialSnapshot
from paceline.store import Store, Stored
from paceline.store.files import remove_leftovers
from paceline.store.paths import CHECKPOINTS
from paceline.store.writer import SessionClock
from paceline.study.record.changed_space import note_of_call
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.network_files import Unusable, key_of
from paceline.study.record.record import Record
from paceline.study.record.replay import fold, keep_snapshot

_PAUSED_BYTES = 2**30  # of paused networks that are kept in memory; all of them are on disk too


class Observer(Protocol):
    """Is called with the events of a session: `Callbacks`, for instance."""

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Called with new events, once they are recorded."""


class Recorder:
    """The record, the store behind it and the checkpoints, kept in step.

    Attributes:
        record: what the events add up to; ahead of the store by epochs without a checkpoint.
        clock: where the time went, by the events that are stored; a moment later than their times.
    """

    def __init__(self, store: Store, observer: Observer | None) -> None:
        self._store, self._observer = store, observer
        folded = fold(store)
        keep_snapshot(
            store, folded=folded
        )  # for the next reader, where there was none, or that of another version
        self.record = folded.record
        self.clock, self._now = folded.clock, SessionClock().now
        self._checkpoints = Checkpoints(
            store.directory / CHECKPOINTS, store.value("checkpoints"), self._key_of
        )
        self._checkpoints.prune_all()
        remove_leftovers(store.directory)
        self._uncovered: dict[int, list[Event]] = {}
        # trials of which an epoch is missing, since Ctrl+C came while it was handed over: nothing
        # later of them counts
        self._torn: set[int] = set()
        self._paused: dict[int, SnapshotReference] = {}

    def kept_models(self) -> tuple[tuple[int, ...], int]:
        """The trials whose trained models are kept, and what they take on disk, in bytes."""
        return self._checkpoints.kept, self._checkpoints.num_bytes

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
        self._append(events, values or {})
        if (
            values and "checkpoints" in values
        ):  # what the stored index names stays, whatever failed since
            self._checkpoints.prune()
        self._observe(events)

    def take(self, progress: ExecutorUpdate) -> list[int]:
        """Records an executor's events; epochs of running trials are stored with their snapshot.

        Returns:
            The trials that came to a place where they are to be looked at, or to their end.
        """
        now: list[Event] = []
        recorded: list[Event] = []
        arrived = []
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                if self._measured(event):
                    recorded.append(event)
                continue
            if isinstance(event, TrialEnded | TrialPaused):
                longer = self.record.trials[event.number].prefix_of
                leader = event.number if longer is None else longer
                if leader in self._torn:
                    continue
                now += self._uncovered.pop(leader, [])
                arrived.append(event.number)
                if isinstance(event, TrialEnded):
                    self._forget(event.number)
            if isinstance(event, TrialStarted) and event.worker is None:
                event = replace(event, worker=progress.worker)
            before = self.record.space
            new: list[Event] = [event]
            self.record.apply(event)
            if isinstance(event, SpaceReplaced):
                new.append(note_of_call(before, self.record))
                self.record.apply(new[-1])
            now += new
            recorded += new
        self._save(progress, now, {event.number for event in now if isinstance(event, TrialPaused)})
        self._observe(recorded)
        if progress.error is not None:
            raise progress.error
        return arrived

    def snapshot(self, number: int) -> SnapshotReference | None:
        """Where a trial stands that is not training now; None where it has to begin at its
        beginning.

        Raises:
            Unusable: the file is not what was stored. That is noted, and from now on there is none.
        """
        known = self._paused.pop(number, None)
        if known is not None:
            return known
        try:
            return self._checkpoints.snapshot(number, self.record.num_measured(number))
        except Unusable as why:
            self._checkpoints.forget(number)
            self._doubt(
                f"The checkpoint of trial {number} cannot be used ({why}), so it is trained again "
                f"from its start."
            )
            raise

    def set_num_kept(self, count: int | None) -> None:
        """Of how many trials the trained networks are kept from now on; None for as many as
        before.
        """
        if count is not None:
            self._checkpoints.num_kept = count

    def model(self, number: int) -> Leaves | None:
        """The variables of a trial's trained network; None where they are not kept."""
        try:
            return self._checkpoints.model(number)
        except Unusable as why:
            self._checkpoints.drop_model(number)
            self._doubt(f"The weights of trial {number} cannot be used ({why}).")
            return None

    def keep_model(self, number: int, leaves: Leaves) -> None:
        """Writes the variables of a trial that has just ended, if it is among the best."""
        self._checkpoints.keep({number: leaves}, self._rank)
        self._store_index([])

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """What was recorded of the model that the study gives out; None where there is none yet."""
        return self._checkpoints.best_model

    def best_model_leaves(self) -> Leaves | None:
        """The variables of the model that the study gives out; None where there is none yet."""
        try:
            return self._checkpoints.best_model_leaves()
        except Unusable as why:
            self._doubt(
                f"The weights of the best model cannot be used ({why}), so it is made again."
            )
            return None

    def keep_best_model(
        self, number: int, leaves: Leaves, said: Mapping[str, Json], events: Sequence[Event]
    ) -> None:
        """Writes the model that the study gives out, and stores with it what happened to it; as in
        `Checkpoints`.
        """
        self._checkpoints.keep_best_model(number, leaves, said)
        for event in events:
            self.record.apply(event)
        self._store_index(events)
        self._observe(events)

    def _measured(self, event: EpochMeasured) -> bool:
        """Records an epoch, unless it is known or one before it is missing."""
        known = self.record.num_measured(event.number)
        if event.epoch > known + 1:
            self._torn.add(event.number)
        if event.epoch != known + 1:
            return False
        self.record.apply(event)
        self._uncovered.setdefault(event.number, []).append(event)
        return True

    def _save(self, progress: ExecutorUpdate, now: list[Event], paused: set[int]) -> None:
        snapshots = {
            number: one for number, one in progress.snapshots.items() if number not in self._torn
        }
        for number in snapshots:
            now += self._uncovered.pop(number, [])
        scored = {
            n: one for n, one in progress.results.items() if self.record.trials[n].score is not None
        }
        if scored:
            self._checkpoints.keep(scored, self._rank)
        for number in (
            paused & snapshots.keys()
        ):  # each in a file of its own, so that it can be let go of alone
            self._checkpoints.save_running({number: snapshots[number]})
            self._keep(number, snapshots[number])
        self._checkpoints.save_running({n: one for n, one in snapshots.items() if n not in paused})
        if now or snapshots:
            self._store_index(now)

    def _store_index(self, events: Sequence[Event]) -> None:
        """Stores events and which files are valid in one transaction; then those that are not can
        go.
        """
        self._append(events, {"checkpoints": self._checkpoints.index})
        self._checkpoints.prune()

    def _rank(self, number: int) -> tuple[float, int]:
        """Of trials with a score, the best first; of equals the one that was asked for first."""
        trial = None if number in self.record.moved else self.record.trials.get(number)
        score = None if trial is None else trial.score
        return math.inf if score is None else self.record.objective.loss(score), number

    def _key_of(self, number: int) -> str:
        trial = self.record.trials.get(number)
        return "" if trial is None else key_of(trial)

    def _doubt(self, note: str) -> None:
        if note not in self.record.notes:
            self.tell([Noted(note)])

    def _append(self, events: Sequence[Event], values: dict[str, Any]) -> None:
        # files that are valid until now are removed next
        durable = "checkpoints" in values and self._checkpoints.will_remove
        self._store.append(events, values, durable=durable)
        now = self._now()
        for event in events:
            self.clock.take(Stored(0, now, event))
        keep_snapshot(self._store)

    def _keep(self, number: int, snapshot: SnapshotReference) -> None:
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


def num_bytes(snapshot: SnapshotReference) -> int:
    """Memory that a snapshot takes here: none if it is somewhere else."""
    if not isinstance(snapshot, TrialSnapshot):
        return 0
    return sum(leaf.nbytes for leaf in (*snapshot.leaves, *(snapshot.best or ())))
