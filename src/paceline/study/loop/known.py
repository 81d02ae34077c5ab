"""The state on which the search decides: trials and space, without unprocessed results."""

from dataclasses import replace

from paceline.core import Trial, TrialState
from paceline.space import Space
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.record.record import Record


def known_trial(trial: Trial, queue: ArrivalQueue) -> Trial:
    """The trial without unprocessed results; one in flight is running."""
    if trial.number not in queue:
        return trial
    measured = trial.measurements[: queue.epoch(trial.number)]
    return replace(
        trial, state=TrialState.RUNNING, score=None, best_epoch=None, measurements=measured
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
