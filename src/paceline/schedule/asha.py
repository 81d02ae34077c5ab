"""Asynchronous successive halving: nobody waits for a group.

Li et al., "A system for massively parallel hyperparameter tuning" (MLSys 2020), algorithm 2.

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| eta | of the trials at a rung, one in eta goes on |
| r_min | the first rung, where that is set; those above it are r_min eta, r_min eta^2, ... |
| n_r | trials that reached rung r, those included that went on from it |
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from paceline.core import Action, Decision, TrialState
from paceline.core.checks import whole_fields
from paceline.schedule.base import Schedule, Standings, best_go_on, place, register, without_number

_LEAST = 27  # the first rung is no earlier than at this part of R: three halvings with eta = 3
_CROWD = 3  # entries of a rung, in eta, from which on those far behind are let go


@register
@dataclass(frozen=True, slots=True)
class Asha(Schedule):
    """A trial that arrives at a rung is put aside; the best one in eta of a rung go on, as soon as
    they are known.

    Whoever of a rung is among the best floor(n_r / eta) is let go on, the highest rung first; only
    then is something new tried. A paused trial ends, so that its weights need not be kept, when for
    it to go on half as many trials again as there are would have to arrive, all of them worse: with
    eta = 3, in the lower half of a rung of 9 or more.

    A rung with fewer than eta entries lets nobody go on, until nothing more comes: then its best
    does, so that one trial is trained in full however few there are.

    Attributes:
        eta: one in eta goes on; at least 2.
        first: r_min in epochs; None for rungs at R / eta, R / eta^2, ..., down to R / 27 and to one
            epoch, so that the last step is as long as the others.
        stops: decides at once, CONTINUE or STOP, by what is known when a trial arrives: for what
            cannot be paused.

    Raises:
        InvalidInput: one of them is no such number.
    """

    name: ClassVar[str] = "asha"

    eta: int = 3
    first: int | None = None
    stops: bool = False

    def __post_init__(self) -> None:
        whole_fields(self, eta=2, first=1)

    @property
    def pauses(self) -> bool:
        """Unless it stops at once."""
        return not self.stops

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """The rungs below R, as whole numbers, and R."""
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
        """PAUSE; where it stops at once CONTINUE or STOP, the first eta - 1 at a rung being let go
        on.
        """
        if (stopped := without_number(standings, number)) is not None:
            return stopped
        epoch = standings[number].epoch
        rank, count = standings.rank(number, epoch), len(standings.at(epoch))
        keep = count // self.eta
        if not self.stops:
            return Decision(
                number, Action.PAUSE, f"{place(rank, count, epoch)}; {best_go_on(keep)}"
            )
        if count < self.eta:
            return Decision(
                number, Action.CONTINUE, f"{place(rank, count, epoch)}, too few to compare"
            )
        action = Action.CONTINUE if rank < keep else Action.STOP
        return Decision(number, action, f"{place(rank, count, epoch)}; {best_go_on(keep)}")

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:
        """Whoever is among the best of its rung goes on; whoever has fallen far behind ends, at the
        end everyone.
        """
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
            # whoever was ahead of it failed on its way
            number = standings.paused[rungs[0]][0][1]
            where = place(standings.rank(number, rungs[0]), len(standings.at(rungs[0])), rungs[0])
            return (
                Decision(
                    number,
                    Action.CONTINUE,
                    f"{where}; nothing more comes, and one is trained in full",
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
                reason = f"{place(rank, count, epoch)}; {best_go_on(keep)}"
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
        where = place(standings.rank(number, epoch), count, epoch)
        return Decision(number, Action.STOP, f"{where}; {best_go_on(count // self.eta)}")
