"""What the search knows when it decides: trials and the space, as far as their turns have come."""

from dataclasses import replace

from paceline.core import Trial, TrialState
from paceline.space import Space
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.record.record import Record


def known_trial(trial: Trial, turns: ArrivalQueue) -> Trial:
    """A trial with the epochs that count so far: one in flight is running, whatever it has done
    since.
    """
    if trial.number not in turns:
        return trial
    measured = trial.measurements[: turns.epoch(trial.number)]
    return replace(
        trial, state=TrialState.RUNNING, score=None, best_epoch=None, measurements=measured
    )


class KnownSpace:
    """The space of a study that grows while it runs, without what trials in flight added to it."""

    def __init__(self, record: Record, turns: ArrivalQueue) -> None:
        self._record, self._turns = record, turns
        self._space, self._num_known = Space(), 0

    def now(self) -> Space:
        """The space as it is known now."""
        if self._record.moved:  # what was tried is not of the spaces before
            return self._record.space
        spaces = self._record.spaces
        known = [
            index
            for index, changed in enumerate(spaces)
            if changed.trial is None or changed.trial not in self._turns
        ]
        if known and known[-1] + 1 != self._num_known:
            self._space = Space.from_json(spaces[known[-1]].space)
            self._num_known = known[-1] + 1
        return self._space
