"""Training that was done before, replayed under a virtual clock: schedules are tried exactly, and
in no time.

| symbol | meaning |
| --- | --- |
| curve | what a configuration's full training measures: for each epoch its metrics, and the seconds up to its end |
| clock | virtual seconds since the beginning; only `progress` moves it |
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Configuration, InvalidInput
from paceline.core.checks import whole_number
from paceline.core.events import Event
from paceline.execute.base import ExecutorUpdate, Job, Leaves, TrainingOptions, TrialSnapshot
from paceline.execute.training_run import TrainingRun

Curve = Sequence[tuple[Mapping[str, float], float]]
"""(metrics, seconds of training up to its end) of each epoch, in order."""

PROGRAM = "table"
"""What every simulated trial is said to be trained by."""


class SimulatedExecutor:
    """Lanes that train independently of each other, at the speed of their trial.

    The clock moves from one end of an epoch to the next, the earliest among the lanes; lanes that
    end an epoch at the same moment tell of it together, in the order of their trials' numbers. A
    lane that is freed takes the next waiting job at once. A trial's variables are one number, the
    epochs that it has behind it.
    """

    def __init__(
        self,
        curves: Callable[[Configuration], Curve],
        training: TrainingOptions,
        num_lanes: int = 1,
    ) -> None:
        """An executor at virtual second 0.

        Args:
            curves: what the full training of a configuration measures, at least as many epochs as a
                job trains.
            training: how trials end: objective, patience and which weights are kept.
            num_lanes: how many trials train at once.

        Raises:
            InvalidInput: fewer than one lane.
        """
        self._curves, self._training = curves, training
        self._num_lanes = whole_number("num_lanes", num_lanes)
        self._clock = 0.0
        self._waiting: deque[_Trial] = deque()
        self._lanes: list[
            tuple[float, int, _Trial]
        ] = []  # (end of its epoch, number, trial), earliest first
        self._paused: dict[int, _Trial] = {}
        self._untold: list[Event] = []

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
        return not (self._lanes or self._waiting or self._untold)

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, TrialSnapshot],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Takes jobs, which begin at once where lanes are free.

        Raises:
            InvalidInput: a curve is shorter than its job.
        """
        for job in jobs:
            trial = self._paused.pop(job.trial, None)
            if trial is None:
                trial = self._begin(job, snapshots.get(job.trial), scores.get(job.trial, ()))
            else:
                trial.run.goes_on([job])
            self._waiting.append(trial)
        self._fill()

    def forget(self, trials: Sequence[int]) -> None:
        """Lets go of paused trials."""
        for number in trials:
            self._paused.pop(number, None)

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:  # noqa: ARG002
        """Moves the clock to where the next epoch ends, and tells of it; never waits, whatever
        ``seconds`` is.
        """
        told = [ExecutorUpdate(tuple(self._untold))] if self._untold else []
        self._untold = []
        if self._lanes:
            self._clock = self._lanes[0][0]
        ended = []
        while self._lanes and self._lanes[0][0] <= self._clock:
            ended.append(heapq.heappop(self._lanes)[2])
        told += [self._end_epoch(trial) for trial in ended]
        self._fill()
        return told

    def stop(self) -> list[ExecutorUpdate]:
        """Stops in the middle of the epochs at hand, which are lost; a snapshot of each running
        trial as it was.
        """
        snapshots = {number: trial.snapshot for _, number, trial in self._lanes if trial.run.scores}
        told = (
            [ExecutorUpdate(tuple(self._untold), snapshots=snapshots)]
            if self._untold or snapshots
            else []
        )
        self.close()
        return told

    def close(self) -> None:
        """Forgets everything."""
        self._lanes, self._untold = [], []
        self._waiting.clear()
        self._paused.clear()

    def _begin(self, job: Job, snapshot: TrialSnapshot | None, scores: Sequence[float]) -> "_Trial":
        curve = self._curves(job.config)
        if len(curve) < job.epochs:
            raise InvalidInput(
                f"the curve of trial {job.trial} has {len(curve)} epochs", expected=f"{job.epochs}"
            )
        run = TrainingRun([job], job.config, PROGRAM, self._training)
        if snapshot is not None:
            run.resumed(scores, snapshot.best)
        return _Trial(run, curve)

    def _fill(self) -> None:
        while self._waiting and len(self._lanes) < self._num_lanes:
            trial = self._waiting.popleft()
            if not trial.run.scores:
                self._untold += trial.run.started()
            self._train(trial)

    def _train(self, trial: "_Trial") -> None:
        """Begins the trial's next epoch."""
        done = trial.epoch
        spent = trial.seconds_at(done + 1) - trial.seconds_at(done)
        heapq.heappush(self._lanes, (self._clock + spent, trial.number, trial))

    def _end_epoch(self, trial: "_Trial") -> ExecutorUpdate:
        epoch = trial.epoch + 1
        metrics, seconds = trial.curve[epoch - 1]
        events, results = trial.run.measured(epoch, metrics, seconds, lambda: _variables(epoch))
        if trial.run.is_over:
            return ExecutorUpdate(tuple(events), results)
        if trial.run.rests:
            self._paused[trial.number] = trial
            return ExecutorUpdate(tuple(events), results, {trial.number: trial.snapshot})
        self._train(trial)
        return ExecutorUpdate(tuple(events), results)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A trial between two epochs."""

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
