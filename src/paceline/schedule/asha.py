"""Asynchronous successive halving: trials do not wait for each other.

Li et al., "A system for massively parallel hyperparameter tuning" (MLSys 2020), algorithm 2.

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| eta | reduction factor: one in eta of the trials at a rung is promoted |
| r_min | the first rung, if given; the others are r_min eta, r_min eta^2, ... |
| n_r | trials that reached rung r, including promoted ones |
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from paceline.core import Action, Decision, TrialState
from paceline.core.checks import whole_fields
from paceline.schedule.schedule import Schedule, promoted_text, rank_text, register, without_number
from paceline.schedule.standings import Standings

_LEAST = 27  # the first rung is not before R / 27: three halvings with eta = 3
_CROWD = 3  # trials at a rung, divided by eta, from which on the worst are stopped


@register
@dataclass(frozen=True, slots=True)
class Asha(Schedule):
    """Pauses each trial at a rung, and promotes the best one in eta as soon as they are known.

    The best floor(n_r / eta) trials of each rung are resumed, the highest rung first, before new
    trials start. A paused trial is stopped, and its weights are dropped, when its promotion would
    take half as many further trials as there are, all of them worse: with eta = 3, in the lower
    half of a rung with 9 or more.

    A rung with fewer than eta trials promotes none while more may come; at the end its best one is,
    so that at least one trial is trained in full.

    Attributes:
        eta: reduction factor; at least 2.
        first: r_min in epochs; None for rungs at R / eta, R / eta^2, ..., down to R / 27 or one
            epoch.
        stops: decides immediately, CONTINUE or STOP, by the trials that have reached the rung so
            far: for models that cannot be paused.

    Raises:
        InvalidInput: not such a number.
    """

    name: ClassVar[str] = "asha"

    eta: int = 3
    first: int | None = None
    stops: bool = False

    def __post_init__(self) -> None:
        whole_fields(self, eta=2, first=1)

    @property
    def pauses(self) -> bool:
        """False if it stops trials immediately."""
        return not self.stops

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """The rungs, rounded to whole epochs, up to R."""
        if self.first is None:
            steps = (self.eta**k for k in range(1, _LEAST.bit_length()))
            below = {round(epochs / step) for step in steps if step <= min(_LEAST, epochs)}
            return tuple(sorted({*below, epochs}))
        rung, found = float(self.first), []
        while round(rung) < epochs:
            found.append(round(rung))
            rung *= self.eta
        return (*found, epochs)

    def decide(self, standings: Standings, number: int) -> Decision:
        """PAUSE; or CONTINUE or STOP with ``stops``, where the first eta - 1 at a rung continue."""
        if (stopped := without_number(standings, number)) is not None:
            return stopped
        epoch = standings[number].epoch
        rank, count = standings.rank(number, epoch), len(standings.at(epoch))
        keep = count // self.eta
        if not self.stops:
            return Decision(
                number, Action.PAUSE, f"{rank_text(rank, count, epoch)}; {promoted_text(keep)}"
            )
        if count < self.eta:
            return Decision(
                number, Action.CONTINUE, f"{rank_text(rank, count, epoch)}, too few to compare"
            )
        action = Action.CONTINUE if rank < keep else Action.STOP
        return Decision(number, action, f"{rank_text(rank, count, epoch)}; {promoted_text(keep)}")

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:
        """Promotes the best of each rung and stops the worst; at the end, stops all others."""
        rungs = sorted(standings.paused, reverse=True)
        going = self._promoted(standings, rungs, fewest=0)
        if more_to_come or going:
            return (
                *going,
                *(decision for epoch in rungs for decision in self._behind(standings, epoch)),
            )
        if going := self._promoted(standings, rungs, fewest=1):
            return going
        if rungs and not any(
            one.state is TrialState.COMPLETED for one in standings.trials.values()
        ):
            # all better ones failed after this rung
            number = standings.paused[rungs[0]][0][1]
            where = rank_text(
                standings.rank(number, rungs[0]), len(standings.at(rungs[0])), rungs[0]
            )
            return (
                Decision(
                    number,
                    Action.CONTINUE,
                    f"{where}; no more trials come, and one is trained in full",
                ),
            )
        return tuple(
            self._ended(standings, epoch, number)
            for epoch in rungs
            for _, number in standings.paused[epoch]
        )

    def _promoted(
        self, standings: Standings, rungs: Sequence[int], fewest: int
    ) -> tuple[Decision, ...]:
        found = []
        for epoch in rungs:
            count = len(standings.at(epoch))
            keep = max(count // self.eta, fewest)
            for _, number in standings.paused[epoch]:
                rank = standings.rank(number, epoch)
                if rank >= keep:
                    break
                reason = f"{rank_text(rank, count, epoch)}; {promoted_text(keep)}"
                found.append(Decision(number, Action.CONTINUE, reason))
        return tuple(found)

    def _behind(self, standings: Standings, epoch: int) -> Iterator[Decision]:
        count = len(standings.at(epoch))
        if count < _CROWD * self.eta:
            return
        for _, number in reversed(standings.paused[epoch]):
            if 2 * self.eta * (standings.rank(number, epoch) + 1) <= 3 * count:
                return
            yield self._ended(standings, epoch, number)

    def _ended(self, standings: Standings, epoch: int, number: int) -> Decision:
        count = len(standings.at(epoch))
        where = rank_text(standings.rank(number, epoch), count, epoch)
        return Decision(number, Action.STOP, f"{where}; {promoted_text(count // self.eta)}")
