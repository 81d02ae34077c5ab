"""The state on which the search decides, without unprocessed results."""

import math
from collections.abc import Iterable
from dataclasses import replace

from paceline.core import Trial, TrialState
from paceline.schedule import Standing, Standings
from paceline.space import Space
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.planned.protocol import Plan
from paceline.study.record.record import Record


class KnownTrials:
    """The trials without unprocessed results; one in flight is running."""

    def __init__(self, queue: ArrivalQueue) -> None:
        self._queue = queue
        # Of those in flight, by number, with what they were made from. A search that learns keeps
        # what it has computed of a trial by its identity.
        self._made: dict[int, tuple[Trial, int, Trial]] = {}

    def of(self, trials: Iterable[Trial]) -> list[Trial]:
        """These trials, without unprocessed results."""
        made: dict[int, tuple[Trial, int, Trial]] = {}
        found = []
        for trial in trials:
            number = trial.number
            if number in self._queue:
                epoch = self._queue.epoch(number)
                before = self._made.get(number)
                if before is None or before[0] is not trial or before[1] != epoch:
                    before = trial, epoch, _in_flight(trial, epoch)
                made[number] = before
                trial = before[2]
            found.append(trial)
        self._made = made
        return found


def _in_flight(trial: Trial, epoch: int) -> Trial:
    return replace(
        trial,
        state=TrialState.RUNNING,
        score=None,
        best_epoch=None,
        measurements=trial.measurements[:epoch],
    )


class KnownSpace:
    """The space of a study that grows while it runs, without what trials in flight added."""

    def __init__(self, record: Record, queue: ArrivalQueue) -> None:
        self._record, self._queue = record, queue
        self._space, self._num_known = Space(), 0

    def now(self) -> Space:
        """The space without unprocessed changes."""
        if self._record.moved:  # earlier trials are not of the earlier spaces
            return self._record.space
        spaces = self._record.spaces
        known = [
            index
            for index, changed in enumerate(spaces)
            if changed.trial is None or changed.trial not in self._queue
        ]
        if known and known[-1] + 1 != self._num_known:
            self._space = Space.from_json(spaces[known[-1]].space)
            self._num_known = known[-1] + 1
        return self._space


class KnownStandings:
    """How far each trial has trained and how well, without unprocessed results.

    Attributes:
        all: the standings of the trials, as the schedule sees them.
    """

    def __init__(self, plan: Plan, record: Record, queue: ArrivalQueue) -> None:
        self._record, self._queue = record, queue
        self._schedule, self._objective = plan.schedule, plan.objective
        # in virtual time, an epoch takes time in proportion to its steps
        self._has_batches = not plan.is_define_by_run
        self.all = Standings()

    @property
    def has_measurement(self) -> bool:
        """Whether any trial has been measured."""
        return any(standing.epoch for standing in self.all.trials.values())

    def reset(self) -> None:
        """Takes over all trials that are of the current space."""
        moved = self._record.moved
        observed = (number for number in self._record.trials if moved.get(number, ()) is not None)
        self.all = Standings.of(map(self._standing, observed))

    def put(self, number: int) -> None:
        """Adds a trial, or takes over its processed results."""
        self.all.put(self._standing(number))

    def scores(self, number: int) -> list[float]:
        """The objective after each epoch of a trial, processed or not; NaN where it is missing."""
        metric, trial = self._objective.metric, self._record.trial(number)
        return [one.metrics.get(metric, math.nan) for one in trial.measurements]

    def next_decision(self, number: int) -> int:
        """The epoch at which a trial in flight arrives: that of its next decision, or its last."""
        return self._rung_after(number, self._queue.epoch(number))

    def enter_queue(self, number: int) -> None:
        """Adds a trial to those in flight, until its next decision."""
        done = self.all[number].epoch if number in self.all else 0
        config = self._record.trials[number].config if self._has_batches else {}
        steps = 1.0 / float(config.get("batch_size", 1))
        self._queue.enter(number, done, (self._rung_after(number, done) - done) * steps)

    def _rung_after(self, number: int, epoch: int) -> int:
        epochs = self._record.trials[number].epochs
        return next((rung for rung in self._schedule.rungs(number, epochs) if rung > epoch), epochs)

    def _standing(self, number: int) -> Standing:
        trial, loss = self._record.trials[number], self._objective.loss
        scores = self.scores(number)
        if number in self._queue:
            known = scores[: self._queue.epoch(number)]
            return Standing(number, trial.epochs, tuple(map(loss, known)))
        return Standing(number, trial.epochs, tuple(map(loss, scores)), trial.state)
