"""The threads that train cohorts, each one after another, while the caller's thread prepares the
next.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from paceline.core.events import Event, Noted, ProgramCompiled
from paceline.execute.base import ExecutorUpdate, Leaves, TrialSnapshot
from paceline.execute.prepare import PreparedNetwork
from paceline.execute.training_run import TrainingRun
from paceline.train.cohort import Cohort, Lane, Lockstep
from paceline.train.compiler import Compiler
from paceline.train.program import Compiled, Program
from paceline.train.stream import BatchFailed
from paceline.train.stream_cohort import StreamCohort
from paceline.train.stream_program import StreamCompiled, StreamProgram

_MOMENT = 0.1  # seconds between two looks whether a stop came
_SEGMENT_SECONDS = 0.5  # how long the device may be out of reach of a stop
_SNAPSHOT_SECONDS = 0.5  # no snapshots more often than this ...
_SNAPSHOT_SHARE = 0.03  # ... nor so often that they take more than this part of the time


@dataclass(frozen=True, slots=True)
class PendingNetwork:
    """A network waiting for a lane."""

    prepared: PreparedNetwork
    run: TrainingRun
    snapshot: TrialSnapshot | None = None

    @property
    def starts_at(self) -> int:
        """Epochs that it has behind it."""
        return self.snapshot.epoch if self.snapshot else 0

    @property
    def has_moved(self) -> bool:
        """Whether it has trained further than the place from which it could begin again."""
        return len(self.run.scores) > self.starts_at


@dataclass(frozen=True, slots=True, eq=False)
class CohortTask:
    """Networks of one program that share a cohort of so many lanes."""

    program: Program | StreamProgram
    num_lanes: int
    entries: Sequence[PendingNetwork]


@dataclass(frozen=True, slots=True)
class RejectedNetworks:
    """Networks that no cohort can train; they go back to the caller's thread, to run alone."""

    entries: Sequence[PendingNetwork]
    reason: str


@dataclass(eq=False)
class CohortWorker:
    """Takes batches in the order in which they come; as many are trained at once as there are
    threads.
    """

    compiler: Compiler
    shuffle: bool = True
    num_threads: int = 1
    outbox: "queue.SimpleQueue[ExecutorUpdate | RejectedNetworks]" = field(
        default_factory=queue.SimpleQueue
    )

    def __post_init__(self) -> None:
        self._queue: deque[CohortTask] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._told: set[tuple[Program | StreamProgram, int]] = set()
        self._telling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"paceline-train-{i}", daemon=True)
            for i in range(self.num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def train(self, batch: CohortTask) -> None:
        """Queues a batch."""
        with self._changed:
            self._queue.append(batch)
            self._changed.notify()

    def stop(self) -> None:
        """Ends the current cohorts at their next epoch, or sooner if that is far, and forgets the
        rest.
        """
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def more(
        self, program: Program | StreamProgram, num_lanes: int, count: int
    ) -> list[PendingNetwork]:
        """Up to ``count`` networks that wait for a cohort like this one: they take lanes that
        became free in it.
        """
        taken: list[PendingNetwork] = []
        with self._changed:
            for batch in [
                b for b in self._queue if b.program is program and b.num_lanes == num_lanes
            ]:
                taking = batch.entries[: count - len(taken)]
                taken += taking
                place = self._queue.index(batch)
                del self._queue[place]
                if len(taking) < len(batch.entries):
                    self._queue.insert(place, replace(batch, entries=batch.entries[len(taking) :]))
                    break
        return taken

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            try:
                left: CohortTask | None = batch
                while left is not None:
                    left = self._train(left)
            except BaseException as error:
                self.outbox.put(ExecutorUpdate(error=error))

    def _next(self) -> CohortTask | None:
        """The next batch, once there is one; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
            return None if self._stopping.is_set() else self._queue.popleft()

    def _train(self, batch: CohortTask) -> CohortTask | None:
        """Trains a batch; what is left of it for fewer lanes, to be trained once this attempt has
        let go of memory.
        """
        training: _CohortTraining | None = None
        try:
            compiled = self._compiled(batch)
            if compiled is None:
                return None
            self.tell_compiled(compiled)
            training = _CohortTraining(self, compiled, list(batch.entries))
            training.go()
        except BatchFailed:
            raise  # no network can go on
        except Exception as error:
            return self._recover(
                batch if training is None else replace(batch, entries=training.open), error
            )
        return None

    def _compiled(self, batch: CohortTask) -> Compiled | StreamCompiled | None:
        """The batch's program, once it is compiled; None if a stop comes first, for which no one
        waits that long.
        """
        future: Future[Compiled | StreamCompiled] = self.compiler.request(
            batch.program, batch.num_lanes
        )  # type: ignore[assignment]
        while not wait([future], timeout=_MOMENT).done:
            if self._stopping.is_set():
                return None
        return future.result()

    def _recover(self, batch: CohortTask, error: Exception) -> CohortTask | None:
        fresh = [entry for entry in batch.entries if not entry.run.is_over and not entry.has_moved]
        # what has trained some epochs cannot begin again: its measurements are told
        moved = [entry for entry in batch.entries if not entry.run.is_over and entry.has_moved]
        self.outbox.put(
            ExecutorUpdate(
                tuple(event for entry in moved for event in entry.run.failed(f"{error}"))
            )
        )
        num_devices = len(self.compiler.devices)
        half = batch.num_lanes // 2 // num_devices * num_devices
        if fresh and half and _is_out_of_memory(error):
            self.outbox.put(
                ExecutorUpdate(
                    (Noted(f"out of memory with {batch.num_lanes} lanes; going on with {half}"),)
                )
            )
            return CohortTask(batch.program, half, fresh)
        if fresh:
            self.outbox.put(
                RejectedNetworks(fresh, f"its program failed ({type(error).__name__}: {error})")
            )
        return None

    def tell_compiled(self, compiled: Compiled | StreamCompiled) -> None:
        """Tells of a program that was compiled, once."""
        key = (compiled.program, compiled.num_lanes)
        with self._telling:
            if key in self._told:
                return
            self._told.add(key)
            event = ProgramCompiled(
                compiled.program.key, compiled.num_lanes, compiled.seconds, compiled.from_scratch
            )
            self.outbox.put(ExecutorUpdate((event,)))


class _CohortTraining:
    """One batch being trained."""

    def __init__(
        self,
        worker: CohortWorker,
        compiled: Compiled | StreamCompiled,
        entries: list[PendingNetwork],
    ) -> None:
        self._worker = worker
        self._cohort: Lockstep = (
            Cohort(compiled, worker.compiler.mesh, worker.shuffle)
            if isinstance(compiled, Compiled)
            else StreamCohort(compiled, worker.compiler.mesh, worker.tell_compiled)
        )
        self._waiting = entries
        # lanes on a stream are all at the same epoch: what came together stays together
        self._refills = isinstance(compiled, Compiled)
        self._in_slot: dict[int, PendingNetwork] = {}
        self._segment: int | None = None
        self._last_snapshot = time.perf_counter()
        self._snapshot_cost = 0.0

    @property
    def open(self) -> list[PendingNetwork]:
        """Networks that are in a lane or wait for one."""
        return [*self._in_slot.values(), *self._waiting]

    def go(self) -> None:
        while self._waiting or self._in_slot:
            self._fill()
            if not self._epoch():
                return
            self._report()
            if self._worker._stopping.is_set():
                return

    def _fill(self) -> None:
        free = len(self._cohort.free)
        if len(self._waiting) < free and self._refills:
            compiled = self._cohort.compiled
            self._waiting += self._worker.more(
                compiled.program, compiled.num_lanes, free - len(self._waiting)
            )
        slots = self._cohort.free[: len(self._waiting)]
        entering = {slot: self._waiting.pop(0) for slot in slots}
        self._cohort.fill({slot: _lane(entry) for slot, entry in entering.items()})
        self._in_slot |= entering
        events: list[Event] = []
        for entry in entering.values():
            events += [] if entry.snapshot else entry.run.started()
        if events:
            self._worker.outbox.put(ExecutorUpdate(tuple(events)))

    def _epoch(self) -> bool:
        """Trains one epoch; False if it was given up because a stop came and its end was far."""
        began = time.perf_counter()
        total = self._cohort.compiled.program.feed.num_steps
        # the first segment is short: it finds out how long a step takes
        for done, _ in self._cohort.advance(self._segment or max(1, min(total, 32))):
            elapsed = time.perf_counter() - began
            rate = done / elapsed if elapsed else float("inf")
            if (
                done < total
                and self._worker._stopping.is_set()
                and (total - done) / rate > _SEGMENT_SECONDS
            ):
                return False
            self._segment = max(1, int(rate * _SEGMENT_SECONDS))
        return True

    def _report(self) -> None:
        events: list[Event] = []
        results: dict[int, Leaves] = {}
        host = _HostCopy(self._cohort)
        leaving, resting = [], {}
        for logs in self._cohort.epoch_logs():
            run = self._in_slot[logs.slot].run
            leaves = partial(host.leaves, logs.slot)
            more, kept = run.measured(logs.epoch, logs.metrics, logs.seconds, leaves)
            events += more
            results |= kept
            if run.rests:
                resting[run.leader.trial] = TrialSnapshot(
                    logs.epoch, logs.seconds, host.leaves(logs.slot), run.best_leaves
                )
            if run.is_over or run.rests:
                leaving.append(logs.slot)
        for slot in leaving:
            self._cohort.release(slot)
            del self._in_slot[slot]
        self._worker.outbox.put(
            ExecutorUpdate(tuple(events), results, {**self._snapshots(host), **resting})
        )

    def _snapshots(self, host: "_HostCopy") -> Mapping[int, TrialSnapshot]:
        now = time.perf_counter()
        due = max(_SNAPSHOT_SECONDS, self._snapshot_cost / _SNAPSHOT_SHARE)
        if not self._in_slot or (
            now - self._last_snapshot < due and not self._worker._stopping.is_set()
        ):
            return {}
        taken = {}
        for slot, entry in self._in_slot.items():
            lane = self._cohort.lanes[slot]
            if lane is not None:
                best = entry.run.best_leaves
                taken[entry.run.leader.trial] = TrialSnapshot(
                    lane.epoch, lane.seconds, host.leaves(slot), best
                )
        self._last_snapshot = time.perf_counter()
        self._snapshot_cost = self._last_snapshot - now
        return taken


class _HostCopy:
    """Fetches the cohort's state to the host at most once an epoch."""

    def __init__(self, cohort: Lockstep) -> None:
        self._cohort = cohort
        self._states: dict[int, list[np.ndarray]] | None = None

    def leaves(self, slot: int) -> Leaves:
        if self._states is None:
            self._states = self._cohort.state_of(
                [s for s, lane in enumerate(self._cohort.lanes) if lane is not None]
            )
        layout = self._cohort.compiled.program.traced.layout
        return self._states[slot][: layout.num_leaves - layout.metrics]


def _lane(entry: PendingNetwork) -> Lane:
    job, traced, snapshot = entry.run.leader, entry.prepared.traced, entry.snapshot
    if traced is None:
        raise TypeError("a network that cannot be traced was given to a cohort")
    if snapshot is None:
        return Lane(traced, job.epochs, job.seed, split=job.split)
    started = traced.started_from(snapshot.leaves)
    return Lane(started, job.epochs, job.seed, snapshot.epoch, snapshot.seconds, job.split)


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "RESOURCE_EXHAUSTED" in text
        or "out of memory" in text.lower()
    )
