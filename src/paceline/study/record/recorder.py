"""Records a study: writes events to the store and networks to disk."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from paceline.core import PacelineError, TrialState
from paceline.core.events import (
    ADVICE,
    EpochMeasured,
    Event,
    Json,
    Noted,
    SessionEnded,
    SpaceReplaced,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate, Leaves, SnapshotReference, TrialSnapshot
from paceline.execute.repeated import network_of
from paceline.store import Store, Stored
from paceline.store.files import remove_leftovers
from paceline.store.paths import CHECKPOINTS
from paceline.store.writer import SessionClock
from paceline.study.record.changed_space import note_of_call
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.network_files import Unusable, key_of
from paceline.study.record.nodes import store_nodes
from paceline.study.record.record import Record
from paceline.study.record.replay import Folded, fold, keep_snapshot

_PRUNING_SECONDS = 1.0  # least time between two removals of files that are not needed any more
_PAUSED_BYTES = 2**30  # of paused networks kept in memory; all of them are on disk as well


class Observer(Protocol):
    """Called with the events of a session, as `Callbacks` is."""

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Called with new events after they are recorded."""


@dataclass(slots=True)
class _Held:
    """The content of one transaction, and the events that are passed to the observer after it."""

    events: list[Event] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    observed: list[Event] = field(default_factory=list)


class Recorder:
    """Keeps the record, its store and the checkpoints consistent.

    Attributes:
        record: the study's record; ahead of the store by epochs without a checkpoint.
        clock: where the time went, from the stored events.
    """

    def __init__(self, store: Store, observer: Observer | None) -> None:
        self._store, self._observer = store, observer
        folded = fold(store)
        # for the next reader, if there was none, or one of another version
        keep_snapshot(store, folded=lambda: folded)
        self.record = folded.record
        self.clock, self._now = folded.clock, SessionClock().now
        self._checkpoints = Checkpoints(store.directory / CHECKPOINTS, store.value, self._key_of)
        self._checkpoints.take_over()
        remove_leftovers(store.directory)
        self._uncovered: dict[int, list[Event]] = {}
        # Trials of which an epoch is missing, since Ctrl+C came while it was handed over. Later
        # epochs of them are ignored.
        self._torn: set[int] = set()
        self._paused: dict[int, SnapshotReference] = {}
        self._paused_bytes = 0
        self._pruned_at = -math.inf
        self._held: _Held | None = None

    @contextmanager
    def one_transaction(self) -> Iterator[None]:
        """Stores all events of the block in one transaction at its end.

        The record has them at once; the observer is called afterwards. If the block raises, the
        events before that are stored.
        """
        self._held = held = _Held()
        try:
            yield
        finally:
            self._held = None
            if held.events or held.values:
                self._append(held.events, held.values)
            if held.observed:
                self._observe(held.observed)

    def announce_with(self, announce: Callable[[str], None]) -> None:
        """Sets what is called with lines of the store for the user."""
        self._store.announce = announce

    def kept_models(self) -> tuple[tuple[int, ...], int]:
        """The trials whose trained models are kept, and their size on disk in bytes."""
        return self._checkpoints.kept, self._checkpoints.num_bytes

    def tell(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        """Stores events, and current values with them, in one transaction."""
        for event in events:
            self.record.apply(event)
        self.store(events, values)

    def store(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        """Stores events that the record has already, as `tell` does."""
        for event in events:
            if isinstance(event, TrialEnded):
                self._keep_stopped(event)
                self._forget(event.number)
        if any(isinstance(event, TrialEnded) for event in events):
            values = {**(values or {}), **self._checkpoints.take_changes()}
        self._append(events, values or {})
        self._observe(events)

    def take(self, progress: ExecutorUpdate) -> list[int]:
        """Records an executor's events; epochs of running trials are stored with their snapshot.

        Returns:
            The trials that reached a decision, or their end.
        """
        now: list[Event] = []
        recorded: list[Event] = []
        arrived = []
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                recorded += [event] if self._measured(event) else []
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
        if progress.wrong:
            now.append(Noted(_note_of_wrong(progress.wrong), ADVICE))
            self.record.apply(now[-1])
            recorded.append(now[-1])
        if progress.nodes is not None:
            self.show_nodes(progress.nodes)
        self._save(progress, now, {event.number for event in now if isinstance(event, TrialPaused)})
        self._observe(recorded)
        if progress.error is not None:
            raise progress.error
        return arrived

    def show_nodes(self, nodes: Sequence[Mapping[str, Any]], *, has_trials: bool = True) -> None:
        """Stores what works for the study now; see `paceline.study.record.nodes`."""
        store_nodes(self._store, nodes, has_trials=has_trials)

    def snapshot(self, number: int) -> SnapshotReference | None:
        """State of a trial that is not training now; None if it has to start from scratch.

        Raises:
            Unusable: the file is not the one that was stored. This is noted, and the snapshot is
                dropped.
        """
        if (known := self._drop(number)) is not None:
            return known
        try:
            return self._checkpoints.snapshot(number, self.record.num_measured(number))
        except Unusable as why:
            epoch = self._checkpoints.go_back(number)
            begin = f"epoch {epoch + 1}, by an earlier checkpoint" if epoch else "its start"
            self._note_unusable(
                f"The checkpoint of trial {number} cannot be used ({why}), so it is trained again "
                f"from {begin}."
            )
            if not epoch:
                raise
            return self.snapshot(number)

    def set_num_kept(self, count: int | None) -> None:
        """Sets the number of trials whose trained networks are kept; None leaves it as it is."""
        if count is not None:
            self._checkpoints.num_kept = count

    def model(self, number: int) -> Leaves | None:
        """The variables of a trial's trained network; None if they are not kept."""
        try:
            return self._checkpoints.model(number)
        except Unusable as why:
            self._checkpoints.drop_model(number)
            self._note_unusable(f"The weights of trial {number} cannot be used ({why}).")
            return None

    def keep_model(self, number: int, leaves: Leaves) -> None:
        """Writes the variables of a trial that has just ended, if it is among the best."""
        self._checkpoints.keep({number: leaves}, self._rank)
        self._store_index([])

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """Description of the study's final model; None if there is none yet."""
        return self._checkpoints.best_model

    def best_model_leaves(self) -> Leaves | None:
        """The variables of the study's final model; None if there is none yet."""
        try:
            return self._checkpoints.best_model_leaves()
        except Unusable as why:
            self._note_unusable(
                f"The weights of the best model cannot be used ({why}), so it is made again."
            )
            return None

    def keep_best_model(
        self, number: int, leaves: Leaves, description: Mapping[str, Json], events: Sequence[Event]
    ) -> None:
        """Writes the study's final model and stores events with it; see `Checkpoints`."""
        self._checkpoints.keep_best_model(number, leaves, description)
        for event in events:
            self.record.apply(event)
        self._store_index(events)
        self._observe(events)

    def _measured(self, event: EpochMeasured) -> bool:
        """Records an epoch, unless it is known or an earlier one is missing."""
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
        for number in paused & snapshots.keys():
            # each in its own file, so that each can be removed alone
            self._checkpoints.save_running({number: snapshots[number]})
            self._keep(number, snapshots[number])
        self._checkpoints.save_running({n: one for n, one in snapshots.items() if n not in paused})
        if now or snapshots:
            self._store_index(now)

    def _keep_stopped(self, event: TrialEnded) -> None:
        """Keeps the network of a trial that a schedule has stopped, as it was paused.

        Only beside those of completed trials, while fewer have completed than are kept: those rank
        first, and of a study that keeps one network nothing is written.
        """
        completed = self.record.num_ended(TrialState.COMPLETED)
        has_room = self._checkpoints.num_kept > max(1, completed)
        if event.state is not TrialState.STOPPED or event.score is None or not has_room:
            return
        measured, network = self.record.num_measured(event.number), None
        # the file may be damaged, and the network with a worker that is gone
        with suppress(Unusable, PacelineError):
            known = self._drop(event.number)
            snapshot = known or self._checkpoints.snapshot(event.number, measured)
            if snapshot is not None and snapshot.epoch == measured:
                network = network_of(snapshot.load(), self.record.settings.evaluation.is_single)
        if network is not None:
            self._checkpoints.keep({event.number: network}, self._rank)

    def _store_index(self, events: Sequence[Event]) -> None:
        """Stores events and the index of valid files in one transaction."""
        self._append(events, self._checkpoints.take_changes())

    def _rank(self, number: int) -> tuple[bool, float, int]:
        """Sort key of trials with a score: completed ones first, then the best, ties by number."""
        trial = None if number in self.record.moved else self.record.trials.get(number)
        score = None if trial is None else trial.score
        loss = math.inf if score is None else self.record.objective.loss(score)
        return trial is None or trial.state is not TrialState.COMPLETED, loss, number

    def _key_of(self, number: int) -> str:
        trial = self.record.trials.get(number)
        return "" if trial is None else key_of(trial)

    def _note_unusable(self, note: str) -> None:
        if note not in self.record.notes:
            self.tell([Noted(note)])

    def _append(self, events: Sequence[Event], values: dict[str, Any]) -> None:
        """Stores events and values; then removes old files, if the last time was long ago.

        That is not done each time, since the transaction has to be on the disk before.
        """
        if self._held is not None:
            self._held.events += events
            self._held.values |= values
            return
        is_last = any(isinstance(event, SessionEnded) for event in events)
        was_stored = self._checkpoints.is_stored
        not_flushed = self._settle(wait=is_last)
        if was_stored:  # else it is ahead of the events: a write has failed
            values = {**values, **self._checkpoints.take_changes()}
        is_due = is_last or time.monotonic() - self._pruned_at >= _PRUNING_SECONDS
        is_ready = self._checkpoints.needs_pruning and self._checkpoints.is_stored
        prunes = is_ready and is_due and not_flushed is None
        try:
            self._store.append(events, values, durable=prunes)
        except BaseException:
            self._checkpoints.were_not_stored()  # files in the index that is stored must stay
            raise
        now = self._now()
        for event in events:
            self.clock.take(Stored(0, now, event))
        if not is_last:  # then a write may have failed before, and the record may be ahead
            keep_snapshot(self._store, folded=self._stored)
        if prunes:
            self._checkpoints.prune()
            self._pruned_at = time.monotonic()
        if not_flushed is not None:
            raise not_flushed

    def _settle(self, wait: bool) -> PacelineError | None:
        """Drops states that are not needed any more; returns the error of a flush that failed.

        What was measured is stored first: another file than its own may have failed.
        """
        try:
            self._checkpoints.settle(wait=wait)
        except PacelineError as error:
            return error
        return None

    def _stored(self) -> Folded:
        """The state after the stored events: without the epochs that wait for their snapshot."""
        trials = {**self.record.trials}
        for number, events in self._uncovered.items():
            measured = trials[number].measurements
            trials[number] = replace(
                trials[number], measurements=measured[: len(measured) - len(events)]
            )
        return Folded(self.record.copied(trials=trials), self.clock, self._store.last())

    def _keep(self, number: int, snapshot: SnapshotReference) -> None:
        """Keeps a paused network in memory; the oldest are dropped when there are too many."""
        self._drop(number)
        self._paused[number] = snapshot
        self._paused_bytes += num_bytes(snapshot)
        while self._paused_bytes > _PAUSED_BYTES:
            self._drop(next(iter(self._paused)))

    def _drop(self, number: int) -> SnapshotReference | None:
        """Removes a paused network from memory; None if it is not there."""
        known = self._paused.pop(number, None)
        self._paused_bytes -= 0 if known is None else num_bytes(known)
        return known

    def _forget(self, number: int) -> None:
        self._checkpoints.forget(number)
        self._drop(number)

    def _observe(self, events: Sequence[Event]) -> None:
        if self._held is not None:
            self._held.observed += events
        elif self._observer is not None:
            self._observer(self.record, events)


def _note_of_wrong(trials: Sequence[int]) -> str:
    named = f"trial {trials[0]}" if len(trials) == 1 else f"trials {', '.join(map(str, trials))}"
    return (
        f"Do not use the results of {named}: a later check has shown that the constants or the "
        f"compiled models that they were trained with may be wrong. A new study measures their "
        f"configurations again."
    )


def num_bytes(snapshot: SnapshotReference) -> int:
    """Memory that a snapshot uses in this process: 0 if it is elsewhere."""
    if not isinstance(snapshot, TrialSnapshot):
        return 0
    return sum(leaf.nbytes for leaf in (*snapshot.leaves, *(snapshot.best or ())))
