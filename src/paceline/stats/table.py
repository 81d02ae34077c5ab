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

LEAST_TRIALS = 10
"""Of fewer, nothing is said."""


@dataclass(frozen=True, eq=False)
class Table:
    """Trials on a grid of cells.

    Attributes:
        axes: of the hyperparameters that have more than one value, d of them.
        cells: the cell of each trial on each axis, shape [n, d]. Where a hyperparameter is inactive any cell is as good
            as another, so it is drawn at random: then all coordinates are those of an evenly drawn sample.
        active: whether the hyperparameter was active, shape [n, d].
        losses: smaller is better, shape [n].
        even: which trials were drawn evenly over the space, not where a search expected something; all where those are
            fewer than `LEAST_TRIALS`, shape [n].
        seed: of everything random that is done with the table.
    """

    axes: tuple[Axis, ...]
    cells: npt.NDArray[np.intp]
    active: npt.NDArray[np.bool_]
    losses: Array
    even: npt.NDArray[np.bool_]
    seed: int

    @classmethod
    def of(
        cls,
        space: Space,
        configs: Sequence[Configuration],
        losses: npt.ArrayLike,
        *,
        even: Sequence[bool] | None = None,
        seed: int = 0,
    ) -> "Table":
        """The table of some trials.

        Args:
            space: what they vary.
            configs: of the trials; values that are missing count as their defaults.
            losses: one finite number for each, smaller is better.
            even: which of them were drawn evenly over the space, as random search does; all if left out.
            seed: of what is drawn at random.

        Raises:
            InvalidInput: losses that are not finite or not as many as configurations.
        """
        y = np.asarray(losses, dtype=np.float64)
        if y.shape != (len(configs),) or not np.isfinite(y).all():
            given = f"losses have shape {list(y.shape)}" if np.isfinite(y).all() else "losses hold NaN or infinity"
            raise InvalidInput(given, expected=f"{len(configs)} finite numbers")
        axes = axes_of(space)
        labels = list(space.by_label)
        at = [labels.index(label) for label in axes]
        u = np.array([space.encode(config) for config in configs]).reshape(len(configs), len(space))[:, at]
        active = ~np.isnan(u)
        u = np.where(active, u, np.random.default_rng(seed).random(u.shape))
        cells = np.empty(u.shape, dtype=np.intp)
        for j, axis in enumerate(axes.values()):
            cells[:, j] = axis.cell(u[:, j])
        drawn = np.ones(len(y), dtype=bool) if even is None else np.asarray(even, dtype=bool)
        drawn = drawn if drawn.sum() >= LEAST_TRIALS else np.ones(len(y), dtype=bool)
        return cls(tuple(axes.values()), cells, active, y, drawn, seed)

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

    def bootstrap(self, num: int, among: npt.NDArray[np.bool_] | None = None) -> Array:
        """How often each trial is drawn, in bootstrap samples of all trials or ``among`` some, shape [num, n]."""
        chosen = np.ones(len(self.losses), dtype=bool) if among is None else among
        count = int(chosen.sum())
        rng = np.random.default_rng([self.seed, count])
        return rng.multinomial(count, chosen / count, size=num).astype(np.float64)

    def region(self, places: Iterable[int]) -> list[Array]:
        """The even measure on all axes, cut to where these hyperparameters are active; each adds up to that share."""
        measures = [axis.lengths for axis in self.axes]
        for place in places:
            for parent, share in self.axes[place].conditions.items():
                at = self.places[parent]
                measures[at] = np.minimum(measures[at], self.axes[at].lengths * share)
        return measures
