"""Conversion of configurations to rows of numbers for the kernel.

| symbol | meaning |
| --- | --- |
| d, m | number of hyperparameters; number of configurations |
| U | free coordinates in the unit cube, [m, d], also for inactive hyperparameters |
| Z | settled coordinates: rounded to the middle of the value's cell, NaN if inactive, [m, d] |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, Value
from paceline.space import Condition, Hyperparameter, Space

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST_LEVELS = 4096
_SAME = 1e-9
_FEW = 1536
_MOST_KNOWN = 1 << 15


@dataclass(frozen=True, slots=True)
class CoordinateAxis:
    """One hyperparameter in the model.

    Attributes:
        levels: coordinates of its values, ascending; None if continuous or with very many values.
        edges: between the cells of those values.
        is_category: whether its values have no order.
        is_conditional: whether it may be inactive.
    """

    levels: Array | None
    edges: Array | None
    is_category: bool
    is_conditional: bool

    @classmethod
    def of(cls, h: Hyperparameter) -> "CoordinateAxis":
        """The axis of a hyperparameter."""
        count = h.num_values
        if count is None or count > _MOST_LEVELS:
            return cls(None, None, False, bool(h.conditions))
        levels = np.array([h.to_unit(h.value_at(index)) for index in range(count)])
        return cls(
            levels,
            0.5 * (levels[1:] + levels[:-1]),
            not h.is_ordered and count > 1,
            bool(h.conditions),
        )

    @property
    def num_levels(self) -> int:
        """Number of values; 0 if continuous."""
        return 0 if self.levels is None else len(self.levels)

    @property
    def varies(self) -> bool:
        """Whether it has more than one value."""
        return self.is_conditional or self.num_levels != 1

    def index(self, u: Array) -> npt.NDArray[np.intp]:
        """Indices of the cells of coordinates; for a discrete one only."""
        return np.searchsorted(
            self.edges if self.edges is not None else np.empty(0), u, side="right"
        )

    def rounded(self, u: Array) -> Array:
        """Coordinates moved to the middle of their cells; unchanged if continuous."""
        rounded: Array = u if self.levels is None else self.levels[self.index(u)]
        return rounded


class Coordinates:
    """Converts between configurations of a space and rows of numbers.

    Args:
        space: of the configurations.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.axes = tuple(CoordinateAxis.of(h) for h in space)
        places: dict[str, list[int]] = {}
        for at, h in enumerate(space):
            places.setdefault(h.name, []).append(at)
        self._rules = {
            at: [
                [(parent, self._admitted(parent, c)) for parent in places[c.parent]]
                for c in h.conditions
            ]
            for at, h in enumerate(space)
            if h.conditions
        }
        self._known: dict[
            int, tuple[Configuration, Array]
        ] = {}  # by identity; each entry keeps its own alive

    def _admitted(self, at: int, condition: Condition) -> Array:
        """Coordinates of those values of the parent that meet a condition."""
        parent = self.space.hyperparameters[at]
        return np.array(sorted(parent.to_unit(value) for _, value in parent.admitted(condition)))

    @property
    def dimensions(self) -> int:
        """Number of hyperparameters that vary."""
        return sum(axis.varies for axis in self.axes)

    @cached_property
    def every(self) -> Array | None:
        """Coordinates of every configuration, if there are few; else None."""
        size = self.space.size()
        if size is not None and size <= _FEW:
            return np.array([self.space.encode(c) for c in self.space.grid()])
        return None

    def rows(self, configs: Iterable[Configuration]) -> Array:
        """Coordinates Z of configurations, shape [m, d]; cached by object."""
        known = self._known.get
        found = [(known(id(config)) or self._encoded(config))[1] for config in configs]
        return np.array(found).reshape(len(found), len(self.axes))

    def _encoded(self, config: Configuration) -> tuple[Configuration, Array]:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = self._known[id(config)] = config, self.space.encode(config)
        return known

    def settle(self, U: Array) -> Array:
        """Settled coordinates Z of free ones, shape [m, d]."""
        Z = np.clip(U, 0.0, 1.0)
        for at, axis in enumerate(self.axes):
            if axis.levels is not None:
                Z[:, at] = axis.rounded(Z[:, at])
            for parents in self._rules.get(at, ()):
                holds = np.zeros(len(U), dtype=bool)
                for parent, admitted in parents:
                    for value in admitted:
                        holds |= np.abs(Z[:, parent] - value) < _SAME
                Z[~holds, at] = np.nan
        return Z

    def config(self, u: Array) -> dict[str, Value]:
        """The configuration at free or settled coordinates [d]."""
        return self.space.decode(u)


@lru_cache(maxsize=8)
def coordinates(space: Space) -> Coordinates:
    """The coordinates of a space, cached."""
    return Coordinates(space)
