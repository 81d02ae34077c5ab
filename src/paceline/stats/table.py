"""Trials as numbers: in which cell of each hyperparameter's axis they lie, and what their loss was.

| symbol | meaning |
| --- | --- |
| n, d | trials; hyperparameters that have more than one value |
| y | losses, shape [n] |
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, InvalidInput
from paceline.space import Space
from paceline.stats.axes import Array, Axis, axes_of


@dataclass(frozen=True, eq=False)
class Table:
    """Trials on a grid of cells.

    Attributes:
        axes: of the hyperparameters that have more than one value, d of them.
        cells: the cell of each trial on each axis, shape [n, d]. Where a hyperparameter is inactive any cell is as good
            as another, so it is drawn at random: then all coordinates are those of an evenly drawn sample.
        active: whether the hyperparameter was active, shape [n, d].
        losses: smaller is better, shape [n].
        seed: of everything random that is done with the table.
    """

    axes: tuple[Axis, ...]
    cells: npt.NDArray[np.intp]
    active: npt.NDArray[np.bool_]
    losses: Array
    seed: int

    @classmethod
    def of(cls, space: Space, configs: Sequence[Configuration], losses: npt.ArrayLike, *, seed: int = 0) -> "Table":
        """The table of some trials.

        Args:
            space: what they vary.
            configs: of the trials; values that are missing count as their defaults.
            losses: one finite number for each, smaller is better.
            seed: of what is drawn at random.

        Raises:
            InvalidInput: losses that are not finite or not as many as configurations.
        """
        y = np.asarray(losses, dtype=np.float64)
        if y.shape != (len(configs),) or not np.isfinite(y).all():
            given = f"losses have shape {list(y.shape)}" if np.isfinite(y).all() else "losses hold NaN or infinity"
            raise InvalidInput(given, expected=f"{len(configs)} finite numbers")
        axes = axes_of(space)
        at = [space.names.index(name) for name in axes]
        u = np.array([space.encode(config) for config in configs]).reshape(len(configs), len(space))[:, at]
        active = ~np.isnan(u)
        u = np.where(active, u, np.random.default_rng(seed).random(u.shape))
        cells = np.array([axis.cell(u[:, j]) for j, axis in enumerate(axes.values())]).reshape(len(axes), -1).T
        return cls(tuple(axes.values()), cells, active, y, seed)

    @cached_property
    def places(self) -> dict[str, int]:
        """Which axis is which hyperparameter's."""
        return {axis.name: place for place, axis in enumerate(self.axes)}

    def place(self, name: str) -> int:
        """The axis of a hyperparameter.

        Raises:
            InvalidInput: there is none, or it has one value only.
        """
        if name not in self.places:
            raise InvalidInput(f"hyperparameter is {name!r}", expected=f"one that varies: {', '.join(self.places)}")
        return self.places[name]

    def bootstrap(self, num: int) -> Array:
        """How often each trial is drawn, in bootstrap samples of the trials, shape [num, n]."""
        n = len(self.losses)
        drawn: Array = np.random.default_rng([self.seed, n]).multinomial(n, np.full(n, 1 / n), size=num).astype(float)
        return drawn

    def region(self, places: Iterable[int]) -> list[Array]:
        """The even measure on all axes, cut to where these hyperparameters are active; each adds up to that share."""
        measures = [axis.lengths for axis in self.axes]
        for place in places:
            for parent, share in self.axes[place].conditions.items():
                at = self.places[parent]
                measures[at] = np.minimum(measures[at], self.axes[at].lengths * share)
        return measures
