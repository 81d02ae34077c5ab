"""Cohorts in a thread of their own, fed by the caller's thread, which builds and traces what comes
next.
"""

import gc
import queue
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import jax

from paceline.core import TrialState, interrupts
from paceline.core.events import Event, Noted, SpaceChanged, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import ExecutorUpdate, Job, TrainingOptions, TrialSnapshot
from paceline.execute.cohort_worker import (
    CohortTask,
    CohortWorker,
    PendingNetwork,
    RejectedNetworks,
)
from paceline.execute.fit_run import FitRun
from paceline.execute.prepare import (
    FailedBuild,
    Preparation,
    PreparedNetwork,
    ProgramHint,
    group_by_hint,
    group_by_training,
)
from paceline.execute.training_run import TrainingRun
from paceline.train import lower
from paceline.train.compiler import Compiler
from paceline.train.feed import Feed
from paceline.train.lanes import LaneCount
from paceline.train.program import Program, lifted_constants
from paceline.train.stream import StreamFeed
from paceline.train.stream_program import StreamProgram
from paceline.train.trace import Traced

_GOES_ON = (
    "trials that train alone go on with the variables and the random numbers that they would have "
    "had; "
    "what their models, losses or optimizers keep otherwise, such as a counter in Python, begins "
    "anew"
)
_BYTES_AHEAD = 2**30  # of networks that wait, prepared, for a lane
_COMPILING = 4  # programs at once, at most: each takes memory


class FusedExecutor:
    """Trains jobs side by side wherever they share a program.

    Jobs are taken in blocks that a `ProgramHint` expects to be one program, so what trains together does
    not depend on the speed of the machine.
    """

    def __init__(
        self,
        preparation: Preparation,
        training: TrainingOptions,
        hint: ProgramHint,
        lane_count: LaneCount,
    ) -> None:
        """Starts the threads."""
        # Keras and JAX are some million objects; without this each full collection, several for
        # each network that is traced, walks them all
        gc.collect()
        gc.freeze()
        # with nothing to walk: the next comes when networks, not Keras and JAX, have grown by a
        # quarter
        gc.collect()
        self._preparation, self._training, self._hint, self._lane_count = (
            preparation,
            training,
            hint,
            lane_count,
        )
        # XLA compiles most of a program in one thread, and at the beginning nothing can be trained
        # yet
        self._compiler = Compiler(num_threads=min(lane_count.num_cohorts, _COMPILING))
        # one asker at a time reads a dataset
        self._worker = CohortWorker(
            self._compiler, num_threads=1 if preparation.is_streamed else lane_count.num_cohorts
        )
        self._blocks: deque[_Block] = deque()
        self._programs: dict[str, Program | StreamProgram] = {}
        self._snapshots: dict[int, TrialSnapshot] = {}
        self._scores: dict[int, Sequence[float]] = {}
        self._alone: deque[FitRun] = deque()
        self._alone_now: Iterator[ExecutorUpdate] | None = None
        self._alone_trials: set[int] = set()
        self._reasons: set[str] = set()
        self._open: set[int] = set()
        self._entries: dict[
            int, PendingNetwork
        ] = {}  # of trials that will rest on the way, by leader
        self._resting: dict[int, PendingNetwork] = {}
        self._bytes_ahead: dict[int, int] = {}

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, TrialSnapshot],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Takes jobs; those with a snapshot go on from it, having scored so far."""
        self._open |= {job.trial for job in jobs}
        self._snapshots |= snapshots
        self._scores |= scores
        groups = group_by_training(jobs)
        new = [group for group in groups if group[-1].trial not in self._resting]
        self._blocks.extend(_Block.of(part) for part in group_by_hint(new, self._hint))
        self._go_on([group for group in groups if group[-1].trial in self._resting])

    def forget(self, trials: Sequence[int]) -> None:
        """Lets go of paused networks that will not go on."""
        for trial in trials:
            self._resting.pop(trial, None)
            self._entries.pop(trial, None)

    @property
    def num_waiting(self) -> int:
        """Jobs not even built."""
        return sum(len(group) for block in self._blocks for group in block.groups)

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended."""
        return not self._open

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """What happened; prepares further jobs and trains those that run alone while there is
        nothing to tell.
        """
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            interrupts.check()
            told = self._drain(0.0)
            if not told and self._blocks and sum(self._bytes_ahead.values()) < _BYTES_AHEAD:
                told = self._prepare_next()
            elif not told and self._may_train_alone():
                told = self._advance_alone()
            elif not told:
                told = self._drain(min(until - time.monotonic(), 1.0))
            for one in told:
                self._close_trials(one.events)
            if told or time.monotonic() >= until:
                return told
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Stops training; the last progress has a snapshot of every running trial."""
        self._blocks.clear()
        self._worker.stop()
        return self._drain(0.0)

    def close(self) -> None:
        """Lets go of threads."""
        self._worker.stop()
        self._compiler.close()
        gc.unfreeze()

    def _go_on(self, groups: Sequence[list[Job]]) -> None:
        """Launches networks that rested: they are traced already."""
        by_program: dict[str, list[PendingNetwork]] = {}
        for group in groups:
            rested = self._resting.pop(group[-1].trial)
            rested.run.goes_on(group)
            entry = replace(rested, snapshot=self._snapshots.pop(group[-1].trial))
            if entry.prepared.traced is None:
                self._alone.append(FitRun(entry.prepared, entry.run, entry.snapshot))
            else:
                by_program.setdefault(entry.prepared.traced.key, []).append(entry)
        for key, entries in by_program.items():
            for together in self._starting_together(entries):
                self._launch(key, together)

    # -- preparing

    def _prepare_next(self) -> list[ExecutorUpdate]:
        """Prepares the next networks of the block at hand; launches what is ready at its end."""
        block = self._blocks[0]
        events: list[Event] = []
        before = self._preparation.space
        group = block.groups.popleft()
        leader = group[-1].trial
        for prepared in self._preparation.prepare(group):
            if isinstance(prepared, FailedBuild):
                events += _failed(prepared)
            elif prepared.traced is None:
                events += self._send_alone(prepared)
            else:
                events += self._told_how_validated(prepared)
                key = prepared.traced.key
                block.ready.setdefault(key, []).append(self._entry(prepared, key))
                self._launch_early(block, key)
        if self._preparation.space != before:
            events.insert(0, SpaceChanged(self._preparation.space.to_json(), leader))
        if not block.groups:
            self._blocks.popleft()
            for key, entries in block.ready.items():
                for together in self._starting_together(entries):
                    self._launch(key, together)
        return [ExecutorUpdate(tuple(events))] if events else []

    def _told_how_validated(self, prepared: PreparedNetwork) -> list[Event]:
        """Says, once, with which batches a score can be measured again where that matters."""
        traced, feed = prepared.traced, prepared.feed
        if traced is None or not traced.unmerged or not isinstance(feed, Feed):
            return []
        size = feed.validation_batch_size or feed.batch_size
        note = (
            f"Validation is in batches of {size} rows, as in fit, and evaluate(..., "
            f"batch_size={size}) gives the same "
            f"scores; larger batches might not, since {traced.unmerged}."
        )
        if note in self._reasons:
            return []
        self._reasons.add(note)
        return [Noted(note)]

    def _launch_early(self, block: "_Block", key: str) -> None:
        """While a block is one program: compiles once two networks show what varies, launches full
        cohorts.

        Where networks come one by one, each is launched as it is ready.
        """
        entries = block.ready[key]
        if self._preparation.is_streamed:
            return
        if self._lane_count.few:
            self._launch(key, entries)
            block.ready[key] = []
            return
        if len(block.ready) > 1:
            return
        if len(entries) == 2 and block.num_lanes == 0:
            program = self._program(
                key, [e.prepared.traced for e in entries if e.prepared.traced], entries[0].prepared
            )
            block.num_lanes = self._lane_count.choose(
                program, block.size, self._compiler.is_requested
            )
            self._compiler.request(program, block.num_lanes)
        if block.num_lanes and len(entries) == block.num_lanes:
            self._launch(key, entries)
            block.ready[key] = []

    def _entry(self, prepared: PreparedNetwork, program: str) -> PendingNetwork:
        known = self._programs.get(program)
        if isinstance(known, Program) and prepared.traced is not None:
            prepared = replace(prepared, traced=known.adopt(prepared.traced))
        run = TrainingRun(
            prepared.jobs, prepared.config, program, self._training, parameters=prepared.parameters
        )
        snapshot = self._snapshots.pop(run.leader.trial, None)
        if snapshot is not None:
            if prepared.traced is not None:
                prepared.traced.started_from(
                    snapshot.leaves
                )  # raises where build has changed since
            run.resumed(self._scores[run.leader.trial], snapshot.best)
        entry = PendingNetwork(prepared, run, snapshot)
        if run.leader.until is not None:
            self._entries[run.leader.trial] = entry
        return entry

    def _starting_together(self, entries: list[PendingNetwork]) -> list[list[PendingNetwork]]:
        """Networks that may share a cohort: on a stream, those at the same epoch."""
        if not self._preparation.is_streamed:
            return [entries]
        epochs = sorted({entry.starts_at for entry in entries}, reverse=True)
        return [[entry for entry in entries if entry.starts_at == epoch] for epoch in epochs]

    def _launch(self, key: str, entries: list[PendingNetwork]) -> None:
        if not entries:
            return
        traced = [entry.prepared.traced for entry in entries if entry.prepared.traced is not None]
        program = self._program(key, traced, entries[0].prepared)
        num_lanes = self._lane_count.choose(program, len(entries), self._compiler.is_requested)
        self._compiler.request(program, num_lanes)
        for entry, network in zip(entries, traced, strict=True):
            self._bytes_ahead[entry.run.leader.trial] = sum(leaf.nbytes for leaf in network.state)
        for part in self._lane_count.shares(entries, num_lanes):
            self._worker.train(CohortTask(program, num_lanes, part))

    def _program(
        self, key: str, traced: Sequence[Traced], prepared: PreparedNetwork
    ) -> Program | StreamProgram:
        known = self._programs.get(key)
        if known is not None and all(known.covers(network) for network in traced):
            return known
        every = list(traced) if known is None else [known.traced, *traced]
        if known is None and self._lane_count.few and not self._preparation.is_streamed:
            sibling = self._preparation.sibling(prepared, self._hint)
            every += [] if sibling is None else [sibling]
        replacement = partial(lower.replacement, platform=jax.default_backend())
        if isinstance(prepared.feed, StreamFeed):
            self._programs[key] = streamed = StreamProgram.of(every, prepared.feed, replacement)
            return streamed
        lifted = lifted_constants(every)
        if known is not None:
            lifted = {
                name: tuple(sorted({*numbers, *known.lifted[name]}))
                for name, numbers in lifted.items()
            }
        program = Program(every[0], lifted, replacement)
        self._programs[key] = program
        return program

    # -- alone

    def _may_train_alone(self) -> bool:
        """Whether a network waits for ``fit`` and may have it: a dataset serves cohorts first, one
        asker at a time.
        """
        waits = bool(self._alone or self._alone_now)
        return waits and (not self._preparation.is_streamed or self._open <= self._alone_trials)

    def _send_alone(self, prepared: PreparedNetwork) -> list[Event]:
        entry = self._entry(prepared, "fit")
        self._alone.append(FitRun(prepared, entry.run, entry.snapshot))
        self._alone_trials |= {job.trial for job in prepared.jobs}
        why = f"trial {prepared.leader.trial} and others like it train alone through fit: {prepared.alone}"
        notes = {prepared.alone: why}
        if entry.snapshot is not None:
            notes[_GOES_ON] = _GOES_ON
        new = [note for reason, note in notes.items() if reason not in self._reasons]
        self._reasons |= notes.keys()
        return [Noted(note) for note in new]

    def _advance_alone(self) -> list[ExecutorUpdate]:
        if self._alone_now is None:
            self._alone_now = self._alone.popleft().epochs()
        progress = next(self._alone_now, None)
        if progress is None:
            self._alone_now = None
            return []
        return [progress]

    def _reject(self, rejected: RejectedNetworks) -> list[ExecutorUpdate]:
        """Rebuilds networks whose program failed, to train them alone."""
        events: list[Event] = []
        for entry in rejected.entries:
            if entry.snapshot is not None:
                self._snapshots[entry.run.leader.trial] = entry.snapshot
                self._scores[entry.run.leader.trial] = tuple(entry.run.scores)
            rebuilt = self._preparation.rebuild(entry.prepared, rejected.reason)
            events += (
                _failed(rebuilt) if isinstance(rebuilt, FailedBuild) else self._send_alone(rebuilt)
            )
        return [ExecutorUpdate(tuple(events))]

    # -- telling

    def _drain(self, seconds: float) -> list[ExecutorUpdate]:
        told: list[ExecutorUpdate] = []
        try:
            item = (
                self._worker.outbox.get(timeout=seconds)
                if seconds > 0
                else self._worker.outbox.get_nowait()
            )
            while True:
                told += self._reject(item) if isinstance(item, RejectedNetworks) else [item]
                item = self._worker.outbox.get_nowait()
        except queue.Empty:
            return told

    def _close_trials(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TrialStarted | TrialEnded | TrialPaused):
                self._bytes_ahead.pop(event.number, None)
            if isinstance(event, TrialEnded):
                self._open.discard(event.number)
                self._entries.pop(event.number, None)
            elif isinstance(event, TrialPaused):
                self._open.discard(event.number)
                self._resting[event.number] = self._entries[event.number]


@dataclass(eq=False)
class _Block:
    """Networks that are expected to be one program.

    Attributes:
        groups: jobs that are one training each and are not built yet.
        size: number of groups in all.
        ready: networks that wait to be launched, by program.
        num_lanes: the number of lanes that was compiled for the block ahead of its end; 0 for none.
    """

    groups: deque[list[Job]]
    size: int
    ready: dict[str, list[PendingNetwork]] = field(default_factory=dict)
    num_lanes: int = 0

    @classmethod
    def of(cls, groups: Sequence[list[Job]]) -> "_Block":
        return cls(deque(groups), len(groups))


def _failed(unbuildable: FailedBuild) -> list[Event]:
    return [
        TrialEnded(job.trial, TrialState.FAILED, None, None, unbuildable.error)
        for job in unbuildable.jobs
    ]
