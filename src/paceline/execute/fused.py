"""Trains cohorts in worker threads while the caller's thread builds and traces further networks."""

import queue
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from paceline.core import interrupts, process_state
from paceline.core.events import Event, Noted, SpaceChanged, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import (
    ExecutorUpdate,
    Job,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.cohort_worker import (
    CohortTask,
    CohortWorker,
    RejectedNetworks,
)
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fit_queue import FitQueue
from paceline.execute.grouping import ProgramHint, group_by_hint, group_by_training
from paceline.execute.merging import NetworkMerging
from paceline.execute.model_files import ModelFiles
from paceline.execute.pending_network import PendingNetwork
from paceline.execute.prepare import (
    FailedBuild,
    Preparation,
    PreparedNetwork,
)
from paceline.execute.program_cache import AnyProgram, ProgramCache
from paceline.execute.training_run import TrainingRun
from paceline.execute.withdrawn import WithdrawnTrials
from paceline.train.array_feed import ArrayFeed
from paceline.train.compiler import Compiler
from paceline.train.lane_count import LaneCount

_RESUMED_FIT = (
    "trials trained with fit continue with the same variables and random numbers as without the "
    "interruption; other state of their models, losses or optimizers, such as a counter in Python, "
    "starts again"
)
_MAX_BYTES_AHEAD = 2**30  # of prepared networks that wait for a lane
_MAX_COMPILATIONS = 2  # programs at the same time: each has two functions, which need memory


class FusedExecutor:
    """Trains jobs that share a program together, in cohorts.

    Jobs are prepared in blocks that a `ProgramHint` expects to share a program, so which trials
    train together does not depend on the speed of the machine.
    """

    def __init__(
        self,
        preparation: Preparation,
        options: TrainingConfig,
        hint: ProgramHint,
        lane_count: LaneCount,
        expected: ExpectedNetworks,
    ) -> None:
        """Starts the threads."""
        self._on_close = ExitStack()
        self._on_close.enter_context(process_state.fewer_collections())
        self._preparation, self._options = preparation, options
        self._hint, self._lane_count = hint, lane_count
        num_cohorts = lane_count.num_cohorts
        self._compiler = Compiler(num_threads=min(num_cohorts, _MAX_COMPILATIONS))
        # a dataset has one reader at a time
        self._worker = CohortWorker(
            self._compiler,
            num_threads=1 if preparation.is_streamed else num_cohorts,
            memory=lane_count.own_memory,
        )
        self._blocks: deque[_Block] = deque()
        self._merging = NetworkMerging(
            preparation, expected, options.merge, lane_count.cohort_memory
        )
        self._programs = ProgramCache(preparation, hint, self._merging, lane_count, expected)
        self._snapshots: dict[int, TrialSnapshot] = {}
        self._scores: dict[int, Sequence[float]] = {}
        self._fit_queue = FitQueue()
        self._reasons: set[str] = set()
        self._withdrawn = WithdrawnTrials()
        self._runs: dict[int, TrainingRun] = {}  # of open trials, by leader
        self._open: set[int] = set()
        # networks of trials that will pause, and of those that have, by leader
        self._entries: dict[int, PendingNetwork] = {}
        self._paused: dict[int, PendingNetwork] = {}
        self._bytes_ahead: dict[int, int] = {}

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs; those with a snapshot continue from it."""
        self._open |= {job.trial for job in jobs}
        self._snapshots |= {number: one.load() for number, one in snapshots.items()}
        self._scores |= scores
        groups = group_by_training(jobs)
        new = [group for group in groups if group[-1].trial not in self._paused]
        self._blocks.extend(_Block.of(part) for part in group_by_hint(new, self._hint))
        self._resume([group for group in groups if group[-1].trial in self._paused])

    def forget(self, trials: Sequence[int]) -> None:
        """Frees paused networks, which will not continue."""
        for trial in trials:
            if (paused := self._paused.pop(trial, None)) is not None:
                paused.run.abandon()
            for networks in (self._entries, self._runs):
                networks.pop(trial, None)

    @property
    def num_waiting(self) -> int:
        """Jobs whose model has not been built."""
        return sum(len(group) for block in self._blocks for group in block.groups)

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended or paused."""
        return not self._open

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened; until then, prepares jobs and trains those that need ``fit``."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            interrupts.check()
            updates = self._drain(0.0)
            if not updates and self._blocks and sum(self._bytes_ahead.values()) < _MAX_BYTES_AHEAD:
                updates = self._prepare_next()
            elif not updates and self._may_fit():
                updates = self._fit_queue.advance()
            elif not updates:
                updates = self._drain(min(until - time.monotonic(), 1.0))
            for update in updates:
                self._close_trials(update.events)
            if updates or time.monotonic() >= until:
                return updates
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Stops training; the last updates have a snapshot of every running trial."""
        self._blocks.clear()
        self._worker.stop()
        return self._drain(0.0)

    def close(self) -> None:
        """Ends the threads."""
        self._worker.stop()
        self._compiler.close()
        self._on_close.close()
        process_state.return_memory_at_end()

    def _resume(self, groups: Sequence[list[Job]]) -> None:
        """Launches paused networks, which are already traced."""
        by_program: dict[str, list[PendingNetwork]] = {}
        for group in groups:
            paused = self._paused.pop(group[-1].trial)
            paused.run.resume(group)
            entry = replace(paused, snapshot=self._snapshots.pop(group[-1].trial))
            if entry.prepared.traced is None:
                self._fit_queue.add(entry)
            else:
                by_program.setdefault(entry.run.program, []).append(entry)
        for key, entries in by_program.items():
            for together in self._starting_together(entries):
                self._launch(key, together, len(together))

    # -- preparing

    def _prepare_next(self) -> list[ExecutorUpdate]:
        """Prepares the next networks of the current block; launches the rest at its end."""
        block = self._blocks[0]
        events: list[Event] = []
        before = self._preparation.space
        group = block.groups.popleft()
        leader = group[-1].trial
        for prepared in self._preparation.prepare(group):
            key = ""
            if isinstance(prepared, PreparedNetwork) and prepared.traced is not None:
                events += self._note_validation(prepared)
                prepared, key = self._merging.assign(prepared)
            if isinstance(prepared, FailedBuild):
                events += prepared.events
            elif prepared.traced is None:
                events += self._queue_fit(prepared)
            else:
                block.ready.setdefault(key, []).append(self._entry(prepared, key))
                self._launch_early(block, key)
        events += [Noted(note) for note in self._merging.notes]
        self._merging.notes.clear()
        if self._preparation.space != before:
            events.insert(0, SpaceChanged(self._preparation.space.to_json(), leader))
        # before the rest of the block starts to train
        wrong = [*self._preparation.take_wrong(), *self._merging.take_refuted()]
        withdrawn = self._withdraw(list(dict.fromkeys(wrong)))
        if not block.groups:
            self._blocks.popleft()
            for key, entries in block.ready.items():
                for together in self._starting_together(entries):
                    self._launch(key, together, block.size)
        return [*([ExecutorUpdate(tuple(events))] if events else []), *withdrawn]

    def _withdraw(self, wrong: Sequence[int]) -> list[ExecutorUpdate]:
        """Trains trials again that trained with wrong steps, where nothing was reported of them.

        Others that are open fail, those that are paused when they are submitted again.
        """
        if not wrong:
            return []
        runs = [run for number in wrong if (run := self._runs.get(number)) is not None]
        again = [list(run.jobs) for run in runs if run.withdraw()]
        self._blocks.extend(_Block.of(part) for part in group_by_hint(again, self._hint))
        rest = set(wrong).difference(job.trial for group in again for job in group)
        paused = rest.intersection(self._paused)
        self._preparation.refuse(paused)
        self.forget(sorted(paused))
        return [self._withdrawn.add(sorted(rest - paused), self._open)]

    def _note_validation(self, prepared: PreparedNetwork) -> list[Event]:
        """A note, once, if scores depend on the batches of the validation."""
        traced, feed = prepared.traced, prepared.feed
        if traced is None or not traced.unmerged_reason or not isinstance(feed, ArrayFeed):
            return []
        size = feed.validation_batch_size or feed.batch_size
        note = (
            f"Validation uses batches of {size} rows, as fit does. evaluate(..., "
            f"batch_size={size}) gives the same scores; larger batches might not, since "
            f"{traced.unmerged_reason}."
        )
        new: list[Event] = [] if note in self._reasons else [Noted(note)]
        self._reasons.add(note)
        return new

    def _launch_early(self, block: "_Block", key: str) -> None:
        """Launches networks before all of the block are prepared.

        Two networks show which constants vary: then the program is compiled, and each full cohort
        is launched. If trials arrive sequentially, each network is launched when it is ready.
        """
        entries = block.ready[key]
        if self._preparation.is_streamed:
            return
        if not self._lane_count.one_by_one:
            if len(entries) < 2 and not self._programs.is_known(key):
                return
            program, num_lanes = self._program(key, entries, block.size)
            self._compiler.request(program, num_lanes)
            if len(entries) < num_lanes:
                return
        self._launch(key, entries, block.size)
        block.ready[key] = []

    def _program(
        self, key: str, entries: Sequence[PendingNetwork], num_together: int
    ) -> tuple[AnyProgram, int]:
        """The program of networks, and its number of lanes, see `ProgramCache.num_lanes`."""
        traced = [entry.prepared.traced for entry in entries if entry.prepared.traced is not None]
        program = self._programs.program(key, traced, entries[0].prepared)
        config = entries[0].prepared.config
        return program, self._programs.num_lanes(program, config, len(entries), num_together)

    def _entry(self, prepared: PreparedNetwork, program: str) -> PendingNetwork:
        if prepared.traced is not None:
            traced = self._programs.share_code(prepared.traced, program)
            prepared = replace(prepared, traced=traced)
        run = TrainingRun.of(prepared, program, self._options)
        self._runs[run.leader.trial] = run
        snapshot = self._snapshots.pop(run.leader.trial, None)
        if snapshot is not None:
            if prepared.traced is not None:
                prepared.traced.with_weights(snapshot.leaves)  # raises if build has changed since
            run.restore(self._scores[run.leader.trial], snapshot)
        entry = PendingNetwork(prepared, run, snapshot)
        if run.leader.until is not None:
            self._entries[run.leader.trial] = entry
        return entry

    def _starting_together(self, entries: list[PendingNetwork]) -> list[list[PendingNetwork]]:
        """Splits networks into those that may share a cohort: on a stream, those at one epoch."""
        if not self._preparation.is_streamed:
            return [entries]
        epochs = sorted({entry.starts_at for entry in entries}, reverse=True)
        return [[entry for entry in entries if entry.starts_at == epoch] for epoch in epochs]

    def _launch(self, key: str, entries: list[PendingNetwork], num_together: int) -> None:
        entries = [entry for entry in entries if not entry.run.is_over]  # or withdrawn
        if not entries:
            return
        program, num_lanes = self._program(key, entries, num_together)
        self._compiler.request(program, num_lanes)
        for entry in entries:
            self._bytes_ahead[entry.run.leader.trial] = entry.prepared.num_bytes
        num_bytes = self._lane_count.cohort_bytes(program, num_lanes)
        for part in self._lane_count.divide(entries, num_lanes):
            self._worker.train(CohortTask(program, num_lanes, part, num_bytes))

    # -- training with fit

    def _may_fit(self) -> bool:
        """Whether a network waits for ``fit`` and may train now.

        A dataset has one reader at a time, and cohorts come first.
        """
        is_free = not self._preparation.is_streamed or self._open <= self._fit_queue.trials
        return bool(self._fit_queue) and is_free

    def _queue_fit(self, prepared: PreparedNetwork) -> list[Event]:
        entry = self._entry(prepared, "fit")
        self._fit_queue.add(entry)
        number, reason = prepared.leader.trial, prepared.fit_reason
        notes = {
            reason: f"trial {number} and similar ones are trained one by one with fit: {reason}"
        }
        if entry.snapshot is not None:
            notes[_RESUMED_FIT] = _RESUMED_FIT
        new = [note for reason, note in notes.items() if reason not in self._reasons]
        self._reasons |= notes.keys()
        return [Noted(note) for note in new]

    def _reject(self, rejected: RejectedNetworks) -> list[ExecutorUpdate]:
        """Rebuilds networks whose program failed, to train them with ``fit``."""
        events: list[Event] = []
        for entry in rejected.entries:
            if entry.run.is_over:  # withdrawn
                continue
            if entry.snapshot is not None:
                self._snapshots[entry.run.leader.trial] = entry.snapshot
                self._scores[entry.run.leader.trial] = tuple(entry.run.scores)
            rebuilt = self._preparation.rebuild(entry.prepared, rejected.reason)
            events += (
                rebuilt.events if isinstance(rebuilt, FailedBuild) else self._queue_fit(rebuilt)
            )
        return [ExecutorUpdate(tuple(events))]

    # -- updates

    def _drain(self, seconds: float) -> list[ExecutorUpdate]:
        updates: list[ExecutorUpdate] = []
        try:
            item = (
                self._worker.outbox.get(timeout=seconds)
                if seconds > 0
                else self._worker.outbox.get_nowait()
            )
            while True:
                if isinstance(item, RejectedNetworks):
                    updates += self._reject(item)
                elif isinstance(item, ModelFiles):
                    updates += item.written(self._preparation)
                else:
                    updates.append(self._withdrawn.without(item))
                item = self._worker.outbox.get_nowait()
        except queue.Empty:
            return updates

    def _close_trials(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TrialStarted | TrialEnded | TrialPaused):
                self._bytes_ahead.pop(event.number, None)
            if isinstance(event, TrialEnded):
                self._open.discard(event.number)
                self._entries.pop(event.number, None)
                self._runs.pop(event.number, None)
            elif isinstance(event, TrialPaused):
                self._open.discard(event.number)
                self._paused[event.number] = self._entries[event.number]


@dataclass(eq=False)
class _Block:
    """Networks that are expected to share a program.

    Attributes:
        groups: jobs that share a training and are not built yet.
        size: number of groups, including those already prepared, and those in other engines.
        ready: networks that wait to be launched, by program.
    """

    groups: deque[list[Job]]
    size: int
    ready: dict[str, list[PendingNetwork]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Sequence[list[Job]]) -> "_Block":
        known = [job.together for group in groups for job in group]
        return cls(deque(groups), max([len(groups), *known]))
