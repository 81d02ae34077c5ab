"""Configurations as rows of numbers, and what the kernel sees of them.

| symbol | meaning |
| --- | --- |
| d, m | number of hyperparameters; number of configurations |
| U | free coordinates in the unit cube, [m, d]; those of inactive hyperparameters lie dormant |
| Z | what they mean: rounded to the middle of the value's cell, NaN where inactive, [m, d] |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, Value
from paceline.space import Hyperparameter, Space
from paceline.space.base import Typed

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST_LEVELS = 4096
_SAME = 1e-9
_FEW = 1536


@dataclass(frozen=True, slots=True)
class Axis:
    """One hyperparameter as the model sees it.

    Attributes:
        levels: coordinates of its values, ascending; None where it is continuous or nearly so.
        edges: between the cells of those values.
        is_category: whether its values have no order.
        is_conditional: whether it may be inactive.
    """

    levels: Array | None
    edges: Array | None
    is_category: bool
    is_conditional: bool

    @classmethod
    def of(cls, h: Hyperparameter) -> "Axis":
        """The axis of a hyperparameter."""
        count = h.num_values
        if count is None or count > _MOST_LEVELS:
            return cls(None, None, False, bool(h.conditions))
        levels = np.array([h.to_unit(h.value_at(index)) for index in range(count)])
        return cls(levels, 0.5 * (levels[1:] + levels[:-1]), not h.is_ordered and count > 1, bool(h.conditions))

    @property
    def varies(self) -> bool:
        """Whether there is anything for the kernel to compare."""
        return self.is_conditional or self.levels is None or len(self.levels) > 1

    def index(self, u: Array) -> npt.NDArray[np.intp]:
        """Indices of the cells in which coordinates lie; of a discrete one only."""
        return np.searchsorted(self.edges if self.edges is not None else np.empty(0), u, side="right")

    def rounded(self, u: Array) -> Array:
        """Coordinates moved to the middle of their cells."""
        if self.levels is None:
            return np.clip(u, 0.0, 1.0)
        snapped: Array = self.levels[self.index(u)]
        return snapped


class Coordinates:
    """The way between configurations of one space and rows of numbers.

    Args:
        space: where the configurations come from.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.axes = tuple(Axis.of(h) for h in space)
        place = {name: at for at, name in enumerate(space.names)}
        self._rules = {
            place[h.name]: [(place[c.parent], self._admitted(space[c.parent], c.parent, h)) for c in h.conditions]
            for h in space
            if h.conditions
        }
        # Equal values of different types (1, 1.0, True) would share an entry of the memory
        ambiguous = any(len({*getattr(h, "values", ())}) < len(getattr(h, "values", ())) for h in space)
        self._known: dict[tuple[tuple[str, ...], tuple[Value, ...]], Array] | None = None if ambiguous else {}

    @staticmethod
    def _admitted(parent: Hyperparameter, name: str, child: Hyperparameter) -> Array:
        wanted: set[Typed] = set()
        for condition in child.conditions:
            if condition.parent == name:
                wanted |= parent.admitted(condition)
        return np.array(sorted(parent.to_unit(value) for _, value in wanted))

    @property
    def dimensions(self) -> int:
        """Number of hyperparameters that vary."""
        return sum(axis.varies for axis in self.axes)

    @cached_property
    def every(self) -> Array | None:
        """Coordinates of every configuration, where they are few; else None."""
        size = self.space.size()
        return self.rows(self.space.grid()) if size is not None and size <= _FEW else None

    def rows(self, configs: Iterable[Configuration]) -> Array:
        """Coordinates Z of configurations, shape [m, d]; rows once made are remembered."""
        rows = [self._row(config) for config in configs]
        return np.array(rows).reshape(len(rows), len(self.axes))

    def _row(self, config: Configuration) -> Array:
        if self._known is None:
            return self.space.encode(config)
        entry = tuple(config), tuple(config.values())
        row = self._known.get(entry)
        if row is None:
            if len(self._known) >= 1 << 15:
                self._known.clear()
            row = self._known[entry] = self.space.encode(config)
        return row

    def settle(self, U: Array) -> Array:
        """What free coordinates mean: Z, shape [m, d]."""
        Z = np.empty_like(U)
        for at, axis in enumerate(self.axes):
            Z[:, at] = axis.rounded(U[:, at])
            for parent, admitted in self._rules.get(at, ()):
                holds = np.zeros(len(U), dtype=bool)
                for value in admitted:
                    holds |= np.abs(Z[:, parent] - value) < _SAME
                Z[~holds, at] = np.nan
        return Z

    def config(self, u: Array) -> dict[str, Value]:
        """The configuration at free or settled coordinates [d]."""
        return self.space.decode(u)


@lru_cache(maxsize=8)
def coordinates(space: Space) -> Coordinates:
    """The coordinates of a space, made once."""
    return Coordinates(space)
