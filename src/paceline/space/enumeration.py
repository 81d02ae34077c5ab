"""Every configuration of a discrete space by its rank: counted exactly, conditions included, none
listed in memory.

Conditions are numbered; a *mask* has bit c set while condition c holds. Hyperparameters that share
no condition are independent, so the space is split into components whose sizes multiply. Within
one,

    count(i, mask) = sum over values v of hyperparameter i of count(i + 1, mask with the conditions
    that v meets)

and values that meet the same conditions are counted together, so that a range of a million costs no
more than one of ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from paceline.core import Value
from paceline.space.base import Hyperparameter


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one hyperparameter in grid order: the default at position 0, then the others in
    natural order.

    Attributes:
        hyperparameter: what varies.
        points: the values in natural order where it is continuous; None where it is discrete.
    """

    hyperparameter: Hyperparameter
    points: tuple[Value, ...] | None

    @classmethod
    def of(cls, hyperparameter: Hyperparameter, samples: int) -> "Axis":
        """The axis of a hyperparameter. A continuous one has ``samples`` points, even in u, and its
        default.
        """
        if hyperparameter.num_values is not None:
            return cls(hyperparameter, None)
        even = [0.5] if samples == 1 else [i / (samples - 1) for i in range(samples)]
        points = {hyperparameter.default, *(hyperparameter.from_unit(u) for u in even)}
        return cls(hyperparameter, tuple(sorted(points, key=hyperparameter.to_unit)))

    def __len__(self) -> int:
        return len(self.points) if self.points is not None else self.hyperparameter.num_values or 1

    @property
    def _default_index(self) -> int:
        return self._index_of(self.hyperparameter.default)

    def _index_of(self, value: Value) -> int:
        return (
            self.points.index(value)
            if self.points is not None
            else self.hyperparameter.index_of(value)
        )

    def value(self, position: int) -> Value:
        """The value at a position in grid order."""
        if position == 0:
            return self.hyperparameter.default
        index = position - 1 if position <= self._default_index else position
        return (
            self.points[index] if self.points is not None else self.hyperparameter.value_at(index)
        )

    def position(self, value: Value) -> int | None:
        """The position of a legal value; None where a continuous one is between the points."""
        if self.points is not None and value not in self.points:
            return None
        index, default = self._index_of(value), self._default_index
        return 0 if index == default else index + 1 if index < default else index


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring positions of an axis that meet the same conditions.

    Attributes:
        start: first position.
        length: number of positions.
        mask: bits of the conditions met.
    """

    start: int
    length: int
    mask: int


@dataclass(frozen=True, slots=True)
class Step:
    """One hyperparameter of a component, with what is needed to count from it.

    Attributes:
        axis: its values.
        needs: bits of its own conditions.
        runs: its values by the conditions of others that they meet.
    """

    axis: Axis
    needs: int
    runs: tuple[Run, ...]


class Component:
    """Hyperparameters tied together by conditions, parents first."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._counts: dict[tuple[int, int], int] = {}
        later = 0
        alive: list[int] = []  # bits that a step or one after it looks at
        for step in reversed(self._steps):
            later |= step.needs
            alive.append(later)
        self._alive = (*reversed(alive), 0)
        self.size = self._count(0, 0)

    def _count(self, at: int, mask: int) -> int:
        mask &= self._alive[at]
        known = self._counts.get((at, mask))
        if known is None:
            known = 1 if at == len(self._steps) else self._sum(at, mask)
            self._counts[at, mask] = known
        return known

    def _sum(self, at: int, mask: int) -> int:
        step = self._steps[at]
        if mask & step.needs != step.needs:
            return self._count(at + 1, mask)
        return sum(run.length * self._count(at + 1, mask | run.mask) for run in step.runs)

    def values(self, rank: int) -> dict[str, Value]:
        """The values of the active hyperparameters in the configuration of this rank; rank 0 has
        every default.
        """
        values: dict[str, Value] = {}
        mask = 0
        for at, step in enumerate(self._steps):
            if mask & step.needs != step.needs:
                continue
            for run in step.runs:
                each = self._count(at + 1, mask | run.mask)
                if rank < run.length * each:
                    offset, rank = divmod(rank, each)
                    values[step.axis.hyperparameter.name] = step.axis.value(run.start + offset)
                    mask |= run.mask
                    break
                rank -= run.length * each
        return values


class Enumeration:
    """All configurations of some hyperparameters, by rank.

    Args:
        hyperparameters: parents before those whose conditions look at them.
        samples: how many points of a continuous one.
    """

    def __init__(self, hyperparameters: Sequence[Hyperparameter], samples: int) -> None:
        self._names = tuple(dict.fromkeys(h.name for h in hyperparameters))
        self._components = [Component(_steps(group, samples)) for group in _groups(hyperparameters)]
        self.size = 1
        for component in self._components:
            self.size *= component.size

    def at(self, rank: int) -> dict[str, Value]:
        """The configuration of a rank in ``[0, size)``; rank 0 is the default. The last component
        varies fastest.
        """
        values: dict[str, Value] = {}
        for component in reversed(self._components):
            rank, own = divmod(rank, component.size)
            values.update(component.values(own))
        return {name: values[name] for name in self._names if name in values}


def _groups(hyperparameters: Sequence[Hyperparameter]) -> list[list[Hyperparameter]]:
    """The hyperparameters by component; each follows its parents as closely as it can, which keeps
    masks few.

    They are told apart by their places: of one name there may be several, and a condition looks at
        all of them.
    """
    of_name: dict[str, list[int]] = {}
    for at, h in enumerate(hyperparameters):
        of_name.setdefault(h.name, []).append(at)
    parents = [
        {at for condition in h.conditions for at in of_name[condition.parent]}
        for h in hyperparameters
    ]
    children: list[list[int]] = [[] for _ in hyperparameters]
    for at, above in enumerate(parents):
        for parent in above:
            children[parent].append(at)
    group_of: dict[int, int] = {}
    for at, above in enumerate(
        parents
    ):  # parents come first, so that joining groups as we go finds every component
        joined = {group_of[parent] for parent in above}
        group_of[at] = min(joined, default=len(group_of))
        if len(joined) > 1:
            group_of = {
                place: group_of[at] if group in joined else group
                for place, group in group_of.items()
            }
    ordered: dict[int, dict[int, None]] = {}
    for first in range(len(hyperparameters)):
        pending = [first]
        while pending:
            ready = pending.pop()
            placed = ordered.setdefault(group_of[ready], {})
            if ready not in placed and parents[ready] <= placed.keys():
                placed[ready] = None
                pending.extend(reversed(children[ready]))
    return [[hyperparameters[at] for at in placed] for placed in ordered.values()]


def _steps(group: Sequence[Hyperparameter], samples: int) -> list[Step]:
    axes = [Axis.of(h, samples) for h in group]
    of_name: dict[str, list[int]] = {}
    for at, h in enumerate(group):
        of_name.setdefault(h.name, []).append(at)
    needs = [0] * len(axes)
    meets: list[dict[int, int]] = [{} for _ in axes]  # position -> bits, of those that meet any
    bit = 1
    for at, h in enumerate(group):
        for condition in h.conditions:
            needs[at] |= bit
            for parent in of_name[condition.parent]:
                for _, value in group[parent].admitted(condition):
                    position = axes[parent].position(value)
                    if position is not None:
                        meets[parent][position] = meets[parent].get(position, 0) | bit
            bit <<= 1
    return [Step(axis, needs[at], _runs(len(axis), meets[at])) for at, axis in enumerate(axes)]


def _runs(length: int, meets: dict[int, int]) -> tuple[Run, ...]:
    runs: list[Run] = []
    edges = sorted({0, length, *meets, *(position + 1 for position in meets)})
    for start, stop in pairwise(edges):
        mask = meets.get(start, 0)
        if runs and runs[-1].mask == mask:
            runs[-1] = Run(runs[-1].start, runs[-1].length + stop - start, mask)
        else:
            runs.append(Run(start, stop - start, mask))
    return tuple(runs)
