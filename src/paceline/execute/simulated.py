"""Replays recorded learning curves with a virtual clock, to test schedules without training.

| symbol | meaning |
| --- | --- |
| curve | metrics of each epoch of a configuration's full training, and seconds up to its end |
| clock | virtual seconds since the beginning; only `progress` advances it |
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Configuration, InvalidInput
from paceline.core.checks import whole_number
from paceline.core.events import Event
from paceline.execute.base import (
    ExecutorUpdate,
    Job,
    Leaves,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.training_run import TrainingRun

Curve = Sequence[tuple[Mapping[str, float], float]]
"""(metrics, seconds of training up to its end) for each epoch, in order."""

PROGRAM = "table"
"""The program of all simulated trials."""


class SimulatedExecutor:
    """Lanes that train independently of each other, each at the speed of its trial.

    The clock advances to the earliest end of an epoch among the lanes; epochs that end at the same
    time are returned together, in the order of their trials' numbers. A free lane takes the next
    waiting job immediately. A trial's variables are one number, its epochs so far.
    """

    def __init__(
        self,
        curves: Callable[[Configuration], Curve],
        options: TrainingConfig,
        num_lanes: int = 1,
    ) -> None:
        """An executor at virtual second 0.

        Args:
            curves: returns the curve of a configuration, with at least as many epochs as its job.
            options: objective, patience and which weights are kept.
            num_lanes: number of trials that train at once.

        Raises:
            InvalidInput: fewer than one lane.
        """
        self._curves, self._options = curves, options
        self._num_lanes = whole_number("num_lanes", num_lanes)
        self._clock = 0.0
        self._waiting: deque[_Trial] = deque()
        # a heap of (end of the current epoch, number, trial)
        self._lanes: list[tuple[float, int, _Trial]] = []
        self._paused: dict[int, _Trial] = {}
        self._pending: list[Event] = []

    @property
    def clock(self) -> float:
        """Virtual seconds now."""
        return self._clock

    @property
    def num_waiting(self) -> int:
        """Jobs without a lane."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended or been paused."""
        return not (self._lanes or self._waiting or self._pending)

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs, which start immediately if lanes are free.

        Raises:
            InvalidInput: a curve is shorter than its job.
        """
        for job in jobs:
            trial = self._paused.pop(job.trial, None)
            if trial is None:
                trial = self._start(job, snapshots.get(job.trial), scores.get(job.trial, ()))
            else:
                trial.run.resume([job])
            self._waiting.append(trial)
        self._fill()

    def advance(self, clock: float) -> None:
        """Sets the clock to a later time, such as that at which a study is ready to continue."""
        self._clock = max(self._clock, clock)

    def forget(self, trials: Sequence[int]) -> None:
        """Discards paused trials."""
        for number in trials:
            self._paused.pop(number, None)

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:  # noqa: ARG002
        """Advances the clock to the next end of an epoch and returns its events; never waits."""
        updates = [ExecutorUpdate(tuple(self._pending))] if self._pending else []
        self._pending = []
        if self._lanes:
            self.advance(self._lanes[0][0])
        ended = []
        while self._lanes and self._lanes[0][0] <= self._clock:
            ended.append(heapq.heappop(self._lanes)[2])
        updates += [self._end_epoch(trial) for trial in ended]
        self._fill()
        return updates

    def stop(self) -> list[ExecutorUpdate]:
        """Stops in the middle of the current epochs, which are lost.

        Returns snapshots of the running trials after their last complete epoch.
        """
        snapshots = {number: trial.snapshot for _, number, trial in self._lanes if trial.run.scores}
        updates = (
            [ExecutorUpdate(tuple(self._pending), snapshots=snapshots)]
            if self._pending or snapshots
            else []
        )
        self.close()
        return updates

    def close(self) -> None:
        """Discards all trials."""
        self._lanes, self._pending = [], []
        self._waiting.clear()
        self._paused.clear()

    def _start(
        self, job: Job, snapshot: SnapshotReference | None, scores: Sequence[float]
    ) -> "_Trial":
        curve = self._curves(job.config)
        if len(curve) < job.epochs:
            raise InvalidInput(
                f"the curve of trial {job.trial} has {len(curve)} epochs", expected=f"{job.epochs}"
            )
        run = TrainingRun([job], job.config, PROGRAM, self._options)
        if snapshot is not None:
            run.restore(scores, snapshot.load())
        return _Trial(run, curve)

    def _fill(self) -> None:
        while self._waiting and len(self._lanes) < self._num_lanes:
            trial = self._waiting.popleft()
            if not trial.run.scores:
                self._pending += trial.run.start_events()
            self._train(trial)

    def _train(self, trial: "_Trial") -> None:
        """Starts the trial's next epoch."""
        done = trial.epoch
        seconds = trial.seconds_at(done + 1) - trial.seconds_at(done)
        heapq.heappush(self._lanes, (self._clock + seconds, trial.number, trial))

    def _end_epoch(self, trial: "_Trial") -> ExecutorUpdate:
        epoch = trial.epoch + 1
        metrics, seconds = trial.curve[epoch - 1]
        events, results = trial.run.record_epoch(epoch, metrics, seconds, lambda: _variables(epoch))
        if trial.run.is_over:
            return ExecutorUpdate(tuple(events), results)
        if trial.run.is_paused:
            self._paused[trial.number] = trial
            return ExecutorUpdate(tuple(events), results, {trial.number: trial.snapshot})
        self._train(trial)
        return ExecutorUpdate(tuple(events), results)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A trial and its curve."""

    run: TrainingRun
    curve: Curve

    @property
    def number(self) -> int:
        return self.run.leader.trial

    @property
    def epoch(self) -> int:
        return len(self.run.scores)

    @property
    def snapshot(self) -> TrialSnapshot:
        return TrialSnapshot(
            self.epoch, self.seconds_at(self.epoch), _variables(self.epoch), self.run.best_leaves
        )

    def seconds_at(self, epoch: int) -> float:
        return self.curve[epoch - 1][1] if epoch else 0.0


def _variables(epoch: int) -> Leaves:
    return (np.array(epoch),)
