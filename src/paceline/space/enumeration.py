"""Enumeration of a discrete space by rank: exact counts with conditions, no list in memory.
A *mask* has bit c set if condition number c holds. Hyperparameters that are not connected by
conditions are independent, so the space is split into components whose sizes multiply. Within a
component,

    count(i, mask) = sum over values v of hyperparameter i of count(i + 1, mask | met(v))

where met(v) are the conditions met by v. Values that meet the same conditions are counted together,
so a range of a million values costs as much as one of ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from paceline.core import Value
from paceline.space.hyperparameter import Hyperparameter


@dataclass(frozen=True, slots=True)
class GridAxis:
    """Values of one hyperparameter in grid order: the default first, then the others in order.

    Attributes:
        hyperparameter: the hyperparameter.
        points: its grid values in natural order if it is continuous; None if discrete.
    """

    hyperparameter: Hyperparameter
    points: tuple[Value, ...] | None

    @classmethod
    def of(cls, hyperparameter: Hyperparameter, samples: int) -> "GridAxis":
        """The grid of a hyperparameter; ``samples`` points and the default if it is continuous."""
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
        if self.points is not None:
            return self.points.index(value)
        return self.hyperparameter.index_of(value)

    def value(self, position: int) -> Value:
        """The value at a position in grid order."""
        if position == 0:
            return self.hyperparameter.default
        index = position - 1 if position <= self._default_index else position
        return (
            self.points[index] if self.points is not None else self.hyperparameter.value_at(index)
        )

    def position(self, value: Value) -> int | None:
        """The position of a legal value; None if it is not a grid point."""
        if self.points is not None and value not in self.points:
            return None
        index, default = self._index_of(value), self._default_index
        return 0 if index == default else index + 1 if index < default else index


@dataclass(frozen=True, slots=True)
class PositionRange:
    """Consecutive positions of an axis that meet the same conditions.

    Attributes:
        start: first position.
        length: number of positions.
        mask: bits of the conditions met.
    """

    start: int
    length: int
    mask: int


@dataclass(frozen=True, slots=True)
class GridStep:
    """One hyperparameter of a component, with what counting needs.

    Attributes:
        axis: its values.
        needs: bits of its own conditions.
        runs: its values, grouped by the conditions of others that they meet.
    """

    axis: GridAxis
    needs: int
    runs: tuple[PositionRange, ...]


class Component:
    """Hyperparameters connected by conditions, parents first."""

    def __init__(self, steps: Sequence[GridStep]) -> None:
        self._steps = tuple(steps)
        self._counts: dict[tuple[int, int], int] = {}
        later = 0
        alive: list[int] = []  # bits used by this step or a later one
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
        """Values of the active hyperparameters at a rank; rank 0 has every default."""
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
        hyperparameters: parents before their children.
        samples: number of grid points of a continuous hyperparameter.
    """

    def __init__(self, hyperparameters: Sequence[Hyperparameter], samples: int) -> None:
        self._names = tuple(dict.fromkeys(h.name for h in hyperparameters))
        self._components = [Component(_steps(group, samples)) for group in _groups(hyperparameters)]
        self.size = 1
        for component in self._components:
            self.size *= component.size

    def at(self, rank: int) -> dict[str, Value]:
        """The configuration at a rank in ``[0, size)``; 0 is the default, the last component varies
        fastest.
        """
        values: dict[str, Value] = {}
        for component in reversed(self._components):
            rank, own = divmod(rank, component.size)
            values.update(component.values(own))
        return {name: values[name] for name in self._names if name in values}


def _groups(hyperparameters: Sequence[Hyperparameter]) -> list[list[Hyperparameter]]:
    """The hyperparameters by component; children closely follow parents, which keeps masks few.

    They are identified by index: a name may have variants, and a condition refers to all of them.
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
    # parents come first, so that joining groups in order finds every component
    for at, above in enumerate(parents):
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


def _steps(group: Sequence[Hyperparameter], samples: int) -> list[GridStep]:
    """The axes of a group of hyperparameters; bits say under which values each is active."""
    axes = [GridAxis.of(h, samples) for h in group]
    of_name: dict[str, list[int]] = {}
    for at, h in enumerate(group):
        of_name.setdefault(h.name, []).append(at)
    needs = [0] * len(axes)
    meets: list[dict[int, int]] = [{} for _ in axes]  # bits by position, where any is set
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
    return [GridStep(axis, needs[at], _runs(len(axis), meets[at])) for at, axis in enumerate(axes)]


def _runs(length: int, meets: dict[int, int]) -> tuple[PositionRange, ...]:
    runs: list[PositionRange] = []
    edges = sorted({0, length, *meets, *(position + 1 for position in meets)})
    for start, stop in pairwise(edges):
        mask = meets.get(start, 0)
        if runs and runs[-1].mask == mask:
            runs[-1] = PositionRange(runs[-1].start, runs[-1].length + stop - start, mask)
        else:
            runs.append(PositionRange(start, stop - start, mask))
    return tuple(runs)
