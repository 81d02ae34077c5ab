"""Threads that train cohorts while the caller's thread prepares further networks."""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial

from paceline.core.events import Event, Noted, ProgramCompiled
from paceline.execute.base import ExecutorUpdate, Leaves, TrialSnapshot
from paceline.execute.lane_state import LaneState, begin_epoch, end_epoch
from paceline.execute.model_files import ModelFiles
from paceline.execute.pending_network import PendingNetwork
from paceline.train.array_program import CompiledArrayProgram
from paceline.train.cohort import BaseCohort, Cohort, Lane
from paceline.train.compiler import Compiler
from paceline.train.lane_count import AnyProgram
from paceline.train.program import BaseProgram
from paceline.train.stream_cohort import StreamCohort
from paceline.train.stream_feed import BatchFailed
from paceline.train.stream_program import CompiledStreamProgram

AnyCompiled = CompiledArrayProgram | CompiledStreamProgram

_STOP_INTERVAL = 0.1  # seconds between two checks for a stop
_SEGMENT_SECONDS = 0.5  # of training between two checks for a stop
_SNAPSHOT_SECONDS = 0.5  # shortest interval between two snapshots
_SNAPSHOT_SHARE = 0.03  # largest share of the time spent on snapshots


@dataclass(frozen=True, slots=True, eq=False)
class CohortTask:
    """Networks of one program, to train in a cohort of ``num_lanes`` lanes of ``num_bytes``."""

    program: AnyProgram
    num_lanes: int
    entries: Sequence[PendingNetwork]
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RejectedNetworks:
    """Networks that no cohort can train; the caller's thread trains them with ``fit``."""

    entries: Sequence[PendingNetwork]
    reason: str


@dataclass(eq=False)
class CohortWorker:
    """Trains queued tasks in order, one per thread.

    Attributes:
        compiler: compiles their programs.
        shuffle: whether rows are shuffled in each epoch.
        num_threads: cohorts trained at the same time, as far as memory permits.
        memory: bytes that these cohorts may use together; one of them may always train.
        outbox: what happened, for the caller's thread.
    """

    compiler: Compiler
    shuffle: bool = True
    num_threads: int = 1
    memory: float = math.inf
    outbox: "queue.SimpleQueue[ExecutorUpdate | RejectedNetworks | ModelFiles]" = field(
        default_factory=queue.SimpleQueue
    )

    def __post_init__(self) -> None:
        self._queue: deque[CohortTask] = deque()
        self._bytes_in_use: list[int] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._reported: set[tuple[BaseProgram, int]] = set()
        self._reported_lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"paceline-train-{i}", daemon=True)
            for i in range(self.num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def train(self, task: CohortTask) -> None:
        """Adds a task to the queue."""
        with self._changed:
            self._queue.append(task)
            self._changed.notify()

    def stop(self) -> None:
        """Ends the current cohorts, at the next epoch if it is near, and discards the queue."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def more(self, program: BaseProgram, num_lanes: int, count: int) -> list[PendingNetwork]:
        """Takes up to ``count`` waiting networks of the same program, for lanes that are free."""
        taken: list[PendingNetwork] = []
        with self._changed:
            for task in list(self._queue):
                if task.program is not program or task.num_lanes != num_lanes:
                    continue
                taking = task.entries[: count - len(taken)]
                taken += taking
                position = self._queue.index(task)
                del self._queue[position]
                if len(taking) < len(task.entries):
                    rest = replace(task, entries=task.entries[len(taking) :])
                    self._queue.insert(position, rest)
                    break
        return taken

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                rest: CohortTask | None = task
                while rest is not None:
                    rest = self._train(rest)
            except BaseException as error:
                self.outbox.put(ExecutorUpdate(error=error))
            with self._changed:
                self._bytes_in_use.remove(task.num_bytes)
                self._changed.notify_all()

    def _next(self) -> CohortTask | None:
        """Waits for the next task and for memory; returns None after `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._may_start() or self._stopping.is_set())
            if self._stopping.is_set():
                return None
            task = self._queue.popleft()
            self._bytes_in_use.append(task.num_bytes)
            return task

    def _may_start(self) -> bool:
        """Whether there is a task, and memory for it."""
        if not self._queue:
            return False
        needed = sum(self._bytes_in_use) + self._queue[0].num_bytes
        return not self._bytes_in_use or needed <= self.memory

    def _train(self, task: CohortTask) -> CohortTask | None:
        """Trains a task; returns what remains to be trained with fewer lanes.

        The caller trains it, after this attempt has freed its memory.
        """
        training: _CohortTraining | None = None
        try:
            compiled = self._compiled(task)
            if compiled is None:
                return None
            self.report_compiled(compiled)
            training = _CohortTraining(self, compiled, list(task.entries))
            training.run()
        except BatchFailed:
            raise  # the data is at fault, so all networks stop
        except Exception as error:
            return self._recover(
                task if training is None else replace(task, entries=training.open), error
            )
        return None

    def _compiled(self, task: CohortTask) -> AnyCompiled | None:
        """Waits for the task's compiled program; returns None if it is stopped before."""
        future: Future[AnyCompiled] = self.compiler.request(task.program, task.num_lanes)
        while not wait([future], timeout=_STOP_INTERVAL).done:
            if self._stopping.is_set():
                return None
        return future.result()

    def _recover(self, task: CohortTask, error: Exception) -> CohortTask | None:
        """What to do after a cohort failed: half of the lanes if memory ran out, else ``fit``."""
        fresh = [entry for entry in task.entries if not entry.run.is_over and not entry.has_moved]
        # these cannot be started again: their measurements have been reported
        moved = [entry for entry in task.entries if not entry.run.is_over and entry.has_moved]
        self.outbox.put(
            ExecutorUpdate(tuple(event for entry in moved for event in entry.run.fail(f"{error}")))
        )
        num_devices = len(self.compiler.devices)
        half = task.num_lanes // 2 // num_devices * num_devices
        if fresh and half and _is_out_of_memory(error):
            self.outbox.put(ExecutorUpdate((Noted(_less_memory(task.num_lanes, half)),)))
            return CohortTask(task.program, half, fresh, task.num_bytes // 2)
        if fresh:
            self.outbox.put(
                RejectedNetworks(
                    fresh, f"its compiled model failed ({type(error).__name__}: {error})"
                )
            )
        return None

    def report_compiled(self, compiled: AnyCompiled) -> None:
        """Reports a compiled program, once."""
        key = (compiled.program, compiled.num_lanes)
        with self._reported_lock:
            if key in self._reported:
                return
            self._reported.add(key)
            event = ProgramCompiled(
                compiled.program.key, compiled.num_lanes, compiled.seconds, compiled.from_scratch
            )
            self.outbox.put(ExecutorUpdate((event,)))


class _CohortTraining:
    """A task in training."""

    def __init__(
        self,
        worker: CohortWorker,
        compiled: AnyCompiled,
        entries: list[PendingNetwork],
    ) -> None:
        self._worker = worker
        self._cohort: BaseCohort = (
            Cohort(compiled, worker.compiler.mesh, worker.shuffle)
            if isinstance(compiled, CompiledArrayProgram)
            else StreamCohort(compiled, worker.compiler.mesh, worker.report_compiled)
        )
        self._waiting = entries
        # all lanes on a stream are at the same epoch, so free ones stay empty
        self._refills = isinstance(compiled, CompiledArrayProgram)
        self._in_slot: dict[int, PendingNetwork] = {}
        self._segment: int | None = None
        self._last_snapshot = time.perf_counter()
        self._snapshot_cost = 0.0

    @property
    def open(self) -> list[PendingNetwork]:
        """Networks in a lane or waiting for one."""
        return [*self._in_slot.values(), *self._waiting]

    def run(self) -> None:
        while self._waiting or self._in_slot:
            self._fill()
            self._begin()
            if self._in_slot and not self._epoch():
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
        self._in_slot |= entering  # first, so that none is forgotten if there is no memory for it
        self._cohort.fill({slot: _lane(entry) for slot, entry in entering.items()})
        events: list[Event] = []
        for entry in entering.values():
            events += [] if entry.snapshot else entry.run.start_events()
        if events:
            self._worker.outbox.put(ExecutorUpdate(tuple(events)))

    def _begin(self) -> None:
        """Calls the callbacks of networks that train with some; those that fail leave."""
        if events := begin_epoch(self._cohort, self._in_slot):
            self._worker.outbox.put(ExecutorUpdate(tuple(events)))
            self._release([slot for slot, one in self._in_slot.items() if one.run.is_over])

    def _release(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._cohort.release(slot)
            del self._in_slot[slot]

    def _epoch(self) -> bool:
        """Trains an epoch; returns False if it was abandoned because of a stop."""
        began = time.perf_counter()
        total = self._cohort.compiled.program.traced.feed.num_steps
        # the first segment is short: it measures the time of a step
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
        """Sends the results of an epoch, and frees the lanes of networks that ended or paused."""
        results: dict[int, Leaves] = {}
        state, epoch = LaneState(self._cohort), self._cohort.epoch_logs()
        leaving, paused = [], {}
        events, metrics = end_epoch(epoch, self._in_slot, state)
        for logs in epoch:
            run, leaves = self._in_slot[logs.slot].run, partial(state.leaves, logs.slot)
            more, kept = run.record_epoch(logs.epoch, metrics[logs.slot], logs.seconds, leaves)
            events += more
            results |= kept
            if run.is_paused:
                paused[run.leader.trial] = run.snapshot(logs.epoch, logs.seconds, leaves())
            if run.is_over or run.is_paused:
                leaving.append(logs.slot)
        left = [self._in_slot[slot] for slot in leaving]
        self._release(leaving)
        snapshots = {**self._snapshots(state), **paused}
        for entry in [*left, *self._in_slot.values()]:
            self._write_files(entry, entry in left or entry.run.leader.trial in snapshots)
        self._worker.outbox.put(ExecutorUpdate(tuple(events), results, snapshots))

    def _write_files(self, entry: PendingNetwork, is_due: bool) -> None:
        """Lets model files be written: before the counters that know of them are stored.

        Until then a later state of the same file takes the place of an earlier one.
        """
        files = entry.run.files
        if files and (is_due or len(files) > 1):
            entry.run.files = {}
            self._worker.outbox.put(ModelFiles(entry.prepared, files))

    def _snapshots(self, state: LaneState) -> Mapping[int, TrialSnapshot]:
        """Snapshots of all networks in lanes, if due: they take a small part of the time."""
        now = time.perf_counter()
        due = max(_SNAPSHOT_SECONDS, self._snapshot_cost / _SNAPSHOT_SHARE)
        if not self._in_slot or (
            now - self._last_snapshot < due and not self._worker._stopping.is_set()
        ):
            return {}
        taken = {}
        for slot, entry in self._in_slot.items():
            lane = self._cohort.lanes[slot]
            if lane is not None and not entry.run.is_over:
                taken[entry.run.leader.trial] = entry.run.snapshot(
                    lane.epoch, lane.seconds, state.leaves(slot)
                )
        self._last_snapshot = time.perf_counter()
        self._snapshot_cost = self._last_snapshot - now
        return taken


def _lane(entry: PendingNetwork) -> Lane:
    job, traced, snapshot = entry.run.leader, entry.prepared.traced, entry.snapshot
    if traced is None:
        raise TypeError("a network that is not traced cannot train in a cohort")
    if snapshot is None:
        return Lane(traced, job.epochs, job.seed, split=job.split)
    started = traced.with_weights(snapshot.leaves)
    return Lane(started, job.epochs, job.seed, snapshot.epoch, snapshot.seconds, job.split)


def _less_memory(num_lanes: int, half: int) -> str:
    return f"out of memory training {num_lanes} trials together; continuing with {half}"


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "RESOURCE_EXHAUSTED" in text
        or "out of memory" in text.lower()
    )
