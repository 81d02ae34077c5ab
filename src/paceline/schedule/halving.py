"""Successive halving in groups, and Hyperband, which is halving with groups of several kinds.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization"
(AISTATS 2016); Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization"
(JMLR 18, 2018), algorithm 1.

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| eta | of the trials that arrived at a rung, one in eta goes on |
| s | how often a group is halved: its rungs are R eta^-s, ..., R eta^-1, R |
| n | trials of a group |
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from paceline.core import Action, Decision
from paceline.core.checks import whole_fields
from paceline.schedule.base import (
    Place,
    Schedule,
    Standing,
    Standings,
    best_go_on,
    epochs_of,
    register,
    without_number,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that are compared with each other: those with numbers in a row that train equally
    long.

    Attributes:
        first: the first number.
        size: n, how many numbers.
        halvings: s.
        epochs: R; trials of these numbers that train longer or shorter are a group of their own.
    """

    first: int
    size: int
    halvings: int
    epochs: int

    @property
    def numbers(self) -> range:
        """The numbers in a row."""
        return range(self.first, self.first + self.size)

    def members(self, standings: Standings) -> Iterator[Standing]:
        """Its trials as far as they are known."""
        known = (standings[number] for number in self.numbers if number in standings)
        return (standing for standing in known if standing.epochs == self.epochs)

    def awaits(self, standings: Standings, epoch: int) -> bool:
        """Whether a trial may still arrive at the rung ``epoch``."""
        if any(number not in standings for number in self.numbers):
            return True
        return any(one.epoch < epoch and not one.state.is_final for one in self.members(standings))


@dataclass(frozen=True, slots=True)
class Synchronous(Schedule):
    """Halving in groups: when all of a group have arrived at a rung, the best one in eta go on and
    the others stop.

    The last group may stay incomplete; it is taken as it is once nothing more comes.

    Attributes:
        eta: of the trials that arrived at a rung, one in eta goes on, but at least one; at least 2.
    """

    eta: int = 3

    def __post_init__(self) -> None:
        whole_fields(self, eta=2)

    @abstractmethod
    def group(self, number: int, epochs: int) -> Group:
        """The group of a trial that trains ``epochs``."""

    @property
    def pauses(self) -> bool:
        """Trials wait for the others of their group."""
        return True

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """R eta^-s, ..., R eta^-1, R for the s of its group, as whole numbers."""
        halvings = self.group(number, epochs).halvings
        return tuple(sorted({max(1, round(epochs / self.eta**k)) for k in range(halvings + 1)}))

    def decide(self, standings: Standings, number: int) -> Decision:
        """PAUSE, until the others of the group have arrived."""
        if (stopped := without_number(standings, number)) is not None:
            return stopped
        standing = standings[number]
        group = self.group(number, standing.epochs)
        rest = f"the rest of its group, trials {group.first} to {group.numbers[-1]}"
        return Decision(
            number, Action.PAUSE, f"after {epochs_of(standing.epoch)} it waits for {rest}"
        )

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:
        """Each group whose trials have all arrived at a rung: some go on, the others end."""
        answer: list[Decision] = []
        for epoch in sorted(standings.paused, reverse=True):
            groups: dict[Group, list[Place]] = {}
            for place in standings.paused[epoch]:
                groups.setdefault(self.group(place[1], standings[place[1]].epochs), []).append(
                    place
                )
            for group, places in groups.items():
                if not (more_to_come and group.awaits(standings, epoch)):
                    answer += self._halve(group, places, standings, epoch)
        return tuple(sorted(answer, key=lambda decision: decision.action is not Action.CONTINUE))

    def _halve(
        self, group: Group, places: list[Place], standings: Standings, epoch: int
    ) -> Iterator[Decision]:
        arrived = sum(one.epoch >= epoch for one in group.members(standings))
        keep = max(1, arrived // self.eta)
        for rank, (_, number) in enumerate(places):
            action = Action.CONTINUE if rank < keep else Action.STOP
            rank_of = f"rank {rank + 1:,} of {arrived:,} in its group after {epochs_of(epoch)}"
            yield Decision(number, action, f"{rank_of}; {best_go_on(keep)}")


@register
@dataclass(frozen=True, slots=True)
class Halving(Synchronous):
    """Groups of one size, in the order in which trials are asked for.

    Attributes:
        size: n; a group is halved until about one trial is left or its first rung is at one epoch.
            At least 1.

    Raises:
        InvalidInput: ``eta`` or ``size`` is no such number.
    """

    name: ClassVar[str] = "halving"

    size: int = 27

    def __post_init__(self) -> None:
        Synchronous.__post_init__(self)
        whole_fields(self, size=1)

    def group(self, number: int, epochs: int) -> Group:
        """Trials ``size g`` to ``size (g + 1) - 1``."""
        halvings = min(whole_log(self.size, self.eta), whole_log(epochs, self.eta))
        return Group(number // self.size * self.size, self.size, halvings, epochs)


@register
@dataclass(frozen=True, slots=True)
class Hyperband(Synchronous):
    """Groups of several kinds in turn, the brackets: from many trials with a short first rung to
    few full trainings.

    Raises:
        InvalidInput: ``eta`` is no whole number of at least 2.
    """

    name: ClassVar[str] = "hyperband"

    def brackets(self, epochs: int) -> tuple[tuple[int, int], ...]:
        """(n, s) of each bracket for R = ``epochs``: n = ceil((s_max + 1) / (s + 1) eta^s) for s =
        s_max, ..., 0.
        """
        most = whole_log(epochs, self.eta)
        return tuple((-(-(most + 1) * self.eta**s // (s + 1)), s) for s in range(most, -1, -1))

    def group(self, number: int, epochs: int) -> Group:
        """The brackets follow each other, and begin again after the last."""
        brackets = self.brackets(epochs)
        start = number - number % sum(size for size, _ in brackets)
        firsts = accumulate((size for size, _ in brackets), initial=start)
        groups = (
            Group(first, size, s, epochs)
            for first, (size, s) in zip(firsts, brackets, strict=False)
        )
        return next(group for group in groups if number in group.numbers)


def whole_log(value: int, base: int) -> int:
    """The largest k with base^k <= value, in whole numbers: floating logarithms miss 3^5 = 243."""
    power = 0
    while base ** (power + 1) <= value:
        power += 1
    return power
