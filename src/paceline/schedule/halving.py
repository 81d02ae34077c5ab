"""Successive halving in groups, and Hyperband, which uses groups of several kinds.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization"
(AISTATS 2016); Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization"
(JMLR 18, 2018), algorithm 1.

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| eta | reduction factor: one in eta of the trials at a rung is promoted |
| s | number of halvings of a group: its rungs are R eta^-s, ..., R eta^-1, R |
| n | number of trials of a group |
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from paceline.core import Action, Decision
from paceline.core.checks import whole_fields
from paceline.schedule.schedule import Schedule, epochs_of, promoted_text, register, without_number
from paceline.schedule.standings import RankedTrial, Standing, Standings


@dataclass(frozen=True, slots=True)
class TrialGroup:
    """Trials that are compared with each other: with consecutive numbers and equal epochs.

    Attributes:
        first: the first number.
        size: n.
        halvings: s.
        epochs: R; trials with these numbers but other epochs form a group of their own.
    """

    first: int
    size: int
    halvings: int
    epochs: int

    @property
    def numbers(self) -> range:
        """The consecutive numbers."""
        return range(self.first, self.first + self.size)

    def members(self, standings: Standings) -> Iterator[Standing]:
        """Its trials that have started."""
        known = (standings[number] for number in self.numbers if number in standings)
        return (standing for standing in known if standing.epochs == self.epochs)

    def awaits(self, standings: Standings, epoch: int) -> bool:
        """Whether a trial may still reach the rung ``epoch``."""
        if any(number not in standings for number in self.numbers):
            return True
        return any(one.epoch < epoch and not one.state.is_final for one in self.members(standings))


@dataclass(frozen=True, slots=True)
class Synchronous(Schedule):
    """Halving in groups: when a group has reached a rung, the best one in eta continue.

    The others are stopped. The last group may stay incomplete; it is treated as complete once no
    more trials come.

    Attributes:
        eta: reduction factor, at least 2; at least one trial of a group is promoted.
    """

    eta: int = 3

    def __post_init__(self) -> None:
        whole_fields(self, eta=2)

    @abstractmethod
    def group(self, number: int, epochs: int) -> TrialGroup:
        """The group of a trial that trains ``epochs``."""

    def num_promoted(self, group: TrialGroup, epoch: int, arrived: int) -> int:  # noqa: ARG002
        """How many of the trials that arrived at a rung continue."""
        return max(1, arrived // self.eta)

    @property
    def pauses(self) -> bool:
        """True: trials wait for the others of their group."""
        return True

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """R eta^-s, ..., R eta^-1, R for the s of its group, rounded to whole epochs."""
        halvings = self.group(number, epochs).halvings
        return tuple(sorted({max(1, round(epochs / self.eta**k)) for k in range(halvings + 1)}))

    def decide(self, standings: Standings, number: int) -> Decision:
        """PAUSE, until the others of the group have reached the rung."""
        if (stopped := without_number(standings, number)) is not None:
            return stopped
        standing = standings[number]
        group = self.group(number, standing.epochs)
        rest = f"the rest of its group, trials {group.first} to {group.numbers[-1]}"
        return Decision(
            number, Action.PAUSE, f"after {epochs_of(standing.epoch)} waiting for {rest}"
        )

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:
        """Promotes the best of each complete group at a rung, and stops the others."""
        decisions: list[Decision] = []
        for epoch in sorted(standings.paused, reverse=True):
            groups: dict[TrialGroup, list[RankedTrial]] = {}
            for place in standings.paused[epoch]:
                groups.setdefault(self.group(place[1], standings[place[1]].epochs), []).append(
                    place
                )
            for group, places in groups.items():
                if not (more_to_come and group.awaits(standings, epoch)):
                    decisions += self._halve(group, places, standings, epoch)
        return tuple(sorted(decisions, key=lambda decision: decision.action is not Action.CONTINUE))

    def _halve(
        self, group: TrialGroup, places: list[RankedTrial], standings: Standings, epoch: int
    ) -> Iterator[Decision]:
        arrived = sum(one.epoch >= epoch for one in group.members(standings))
        keep = self.num_promoted(group, epoch, arrived)
        for rank, (_, number) in enumerate(places):
            action = Action.CONTINUE if rank < keep else Action.STOP
            rank_of = f"rank {rank + 1:,} of {arrived:,} in its group after {epochs_of(epoch)}"
            yield Decision(number, action, f"{rank_of}; {promoted_text(keep)}")


@register
@dataclass(frozen=True, slots=True)
class Halving(Synchronous):
    """Groups of equal size, in the order of the trials' numbers.

    Attributes:
        size: n; a group is halved until about one trial is left, or its first rung is one epoch.
            At least 1.

    Raises:
        InvalidInput: ``eta`` or ``size`` is not such a number.
    """

    name: ClassVar[str] = "halving"

    size: int = 27

    def __post_init__(self) -> None:
        Synchronous.__post_init__(self)
        whole_fields(self, size=1)

    def group(self, number: int, epochs: int) -> TrialGroup:
        """Trials ``size g`` to ``size (g + 1) - 1``."""
        halvings = min(whole_log(self.size, self.eta), whole_log(epochs, self.eta))
        return TrialGroup(number // self.size * self.size, self.size, halvings, epochs)


@register
@dataclass(frozen=True, slots=True)
class Hyperband(Synchronous):
    """Groups of several kinds in turn (brackets): many trials with short first rungs, to full ones.

    Raises:
        InvalidInput: ``eta`` is not a whole number of at least 2.
    """

    name: ClassVar[str] = "hyperband"

    def brackets(self, epochs: int) -> tuple[tuple[int, int], ...]:
        """(n, s) of each bracket: n = ceil((s_max + 1) / (s + 1) eta^s) for s = s_max, ..., 0."""
        most = whole_log(epochs, self.eta)
        return tuple((-(-(most + 1) * self.eta**s // (s + 1)), s) for s in range(most, -1, -1))

    def group(self, number: int, epochs: int) -> TrialGroup:
        """The brackets in order, again and again."""
        brackets = self.brackets(epochs)
        start = number - number % sum(size for size, _ in brackets)
        firsts = accumulate((size for size, _ in brackets), initial=start)
        groups = (
            TrialGroup(first, size, s, epochs)
            for first, (size, s) in zip(firsts, brackets, strict=False)
        )
        return next(group for group in groups if number in group.numbers)


def whole_log(value: int, base: int) -> int:
    """The largest k with base^k <= value; exact, unlike logarithms in floating point."""
    power = 0
    while base ** (power + 1) <= value:
        power += 1
    return power
