"""The state on which the search decides: trials and space, without unprocessed results."""

from collections.abc import Iterable
from dataclasses import replace

from paceline.core import Trial, TrialState
from paceline.space import Space
from paceline.study.loop.arrival_queue import ArrivalQueue
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
