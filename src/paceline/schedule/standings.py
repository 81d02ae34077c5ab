"""Standings: losses and states of trials, as schedules compare them."""

import bisect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.core import TrialState


@dataclass(frozen=True, slots=True)
class Standing:
    """Losses and state of one trial.

    Attributes:
        number: the trial.
        epochs: R, the epochs of its full training.
        losses: the objective after each epoch so far, as a number to minimise; may be NaN.
        state: RUNNING (training, or waiting for a decision), PAUSED or a final state.
    """

    number: int
    epochs: int
    losses: tuple[float, ...] = ()
    state: TrialState = TrialState.RUNNING

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return len(self.losses)


RankedTrial = tuple[float, int]
"""(value, trial number), by which trials are ordered; NaN counts as infinity, ties by number."""


@dataclass
class Standings:
    """Losses of all trials, with the trials that reached an epoch sorted by their loss there.

    This is all a schedule may depend on. For trials that are training it contains the epochs up to
    their last decision.
    """

    _trials: dict[int, Standing] = field(default_factory=dict)
    _at: dict[int, list[RankedTrial]] = field(default_factory=dict)
    _averages: dict[int, list[RankedTrial]] = field(default_factory=dict)
    _paused: dict[int, list[RankedTrial]] = field(default_factory=dict)
    _sums: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, standings: Iterable[Standing]) -> "Standings":
        """The result of `put` for each of these, all of different trials; faster for many."""
        made = cls()
        for standing in standings:
            made._add(standing, 0, list.append)
        for kept in (made._at, made._averages, made._paused):
            for places in kept.values():
                places.sort()
        return made

    def put(self, standing: Standing) -> None:
        """Adds a trial, or replaces an earlier entry; epochs are only ever added to a trial."""
        known = self._trials.get(standing.number)
        if known is not None and known.state is TrialState.PAUSED:
            waiting = self._paused[known.epoch]
            del waiting[bisect.bisect_left(waiting, _place(known))]
            if not waiting:
                del self._paused[known.epoch]
        self._add(standing, 0 if known is None else known.epoch, bisect.insort)

    def _add(
        self,
        standing: Standing,
        known: int,
        insert: Callable[[list[RankedTrial], RankedTrial], None],
    ) -> None:
        """Adds a trial's epochs after the first ``known`` ones."""
        number = standing.number
        self._trials[number] = standing
        for index in range(known, standing.epoch):
            loss, epoch = _number(standing.losses[index]), index + 1
            self._sums[number] = self._sums.get(number, 0.0) + loss
            insert(self._at.setdefault(epoch, []), (loss, number))
            insert(self._averages.setdefault(epoch, []), (self._sums[number] / epoch, number))
        if standing.state is TrialState.PAUSED:
            insert(self._paused.setdefault(standing.epoch, []), _place(standing))

    def __getitem__(self, number: int) -> Standing:
        return self._trials[number]

    def __contains__(self, number: object) -> bool:
        return number in self._trials

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def trials(self) -> Mapping[int, Standing]:
        """All trials, by number."""
        return self._trials

    def at(self, epoch: int) -> Sequence[RankedTrial]:
        """(loss, number) of the trials that reached ``epoch``, best first; NaN is infinity."""
        return self._at.get(epoch, [])

    def averages(self, epoch: int) -> Sequence[RankedTrial]:
        """(mean loss up to ``epoch``, number) of each trial that reached it, best first."""
        return self._averages.get(epoch, [])

    def average(self, number: int) -> float:
        """The mean of a trial's losses so far; infinity if one of them is NaN."""
        return self._sums[number] / self._trials[number].epoch

    @property
    def paused(self) -> Mapping[int, Sequence[RankedTrial]]:
        """(loss, number) of the paused trials, best first, by the epoch after which they paused."""
        return self._paused

    def rank(self, number: int, epoch: int) -> int:
        """The trial's rank among those that reached ``epoch``, from 0; ties by number."""
        return bisect.bisect_left(
            self.at(epoch), (_number(self._trials[number].losses[epoch - 1]), number)
        )


def _number(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _place(standing: Standing) -> RankedTrial:
    return _number(standing.losses[-1]) if standing.losses else math.inf, standing.number
