"""Trials as numbers: in which cell of each hyperparameter's axis they lie, and what their losses
were at which epoch.

| symbol | meaning |
| --- | --- |
| n, d | losses that were measured; hyperparameters that have more than one value |
| y | losses, shape [n] |
"""

from collections.abc import Mapping, Sequence
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
    """Losses of trials at one or more epochs, on a grid of cells.

    Attributes:
        axes: of the hyperparameters that have more than one value, d of them.
        cells: the cell of each loss's configuration on each axis, shape [n, d]; any where it is
            inactive.
        active: whether the hyperparameter was active, shape [n, d].
        losses: smaller is better; infinite where training diverged, shape [n].
        trials: which trial each loss is of, from 0 without gaps, shape [n].
        epochs: after how many epochs it was measured; the largest is the full length, shape [n].
        even: whether the trial was drawn evenly over the space, not where a search expected
            something, shape [n].
        seed: of everything random that is done with the table.
    """

    axes: tuple[Axis, ...]
    cells: npt.NDArray[np.intp]
    active: npt.NDArray[np.bool_]
    losses: Array
    trials: npt.NDArray[np.intp]
    epochs: Array
    even: npt.NDArray[np.bool_]
    seed: int

    @classmethod
    def of(
        cls,
        space: Space,
        configs: Sequence[Configuration],
        losses: npt.ArrayLike,
        *,
        trials: Sequence[int] | None = None,
        epochs: npt.ArrayLike | None = None,
        even: Sequence[bool] | None = None,
        seed: int = 0,
    ) -> "Table":
        """The table of some trials.

        Args:
            space: what they vary.
            configs: of each loss; values that are missing count as their defaults.
            losses: one for each, smaller is better; infinite where training diverged.
            trials: numbers of the trials; each loss is of a trial of its own if left out.
            epochs: after which the losses were measured, at least 1; all at the full length if left
                out.
            even: which were drawn evenly over the space, as random search does; all if left out.
            seed: of what is drawn at random.

        Raises:
            InvalidInput: losses that are no numbers, or not as many of something as configurations.
        """
        y = np.asarray(losses, dtype=np.float64)
        count = len(configs)
        if y.shape != (count,) or np.isnan(y).any():
            shape = f"losses have shape {list(y.shape)}"
            given = "losses hold NaN" if y.shape == (count,) else shape
            raise InvalidInput(given, expected=f"{count} numbers")
        axes = axes_of(space)
        cells, active = _encoded(space, configs, axes)
        numbers = np.arange(count) if trials is None else np.asarray(trials)
        return cls(
            tuple(axes.values()),
            cells,
            active,
            y,
            trials=np.unique(numbers, return_inverse=True)[1],
            epochs=np.ones(count) if epochs is None else np.asarray(epochs, dtype=np.float64),
            even=np.ones(count, dtype=bool) if even is None else np.asarray(even, dtype=bool),
            seed=seed,
        )

    @cached_property
    def places(self) -> dict[str, int]:
        """Which axis is which hyperparameter's."""
        return {axis.name: place for place, axis in enumerate(self.axes)}

    @property
    def num_trials(self) -> int:
        """How many trials the losses are of."""
        return int(self.trials.max(initial=-1)) + 1

    @property
    def num_full(self) -> int:
        """How many of them have a loss at the full length."""
        return len(np.unique(self.trials[self.epochs == self.epochs.max(initial=0.0)]))

    @property
    def num_even(self) -> int:
        """How many of them were drawn evenly over the space."""
        return int(self.even[self.first_rows].sum())

    @cached_property
    def first_rows(self) -> npt.NDArray[np.intp]:
        """One row of each trial."""
        return np.unique(self.trials, return_index=True)[1]

    def place(self, name: str) -> int:
        """The axis of a hyperparameter.

        Raises:
            InvalidInput: there is none, or it has one value only.
        """
        if name not in self.places:
            raise InvalidInput(
                f"hyperparameter is {name!r}", expected=f"one that varies: {', '.join(self.places)}"
            )
        return self.places[name]


def _encoded(
    space: Space, configs: Sequence[Configuration], axes: Mapping[str, Axis]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Cells of configurations, and whether each axis is active, shape [n, d] each."""
    labels = list(space.by_label)
    at = [labels.index(label) for label in axes]
    unique = {id(one): one for one in configs}  # one comes once for each of its epochs
    encoded = {key: space.encode(one) for key, one in unique.items()}
    u = np.array([encoded[id(one)] for one in configs]).reshape(len(configs), len(space))[:, at]
    active = ~np.isnan(u)
    cells = np.zeros(u.shape, dtype=np.intp)
    for j, axis in enumerate(axes.values()):
        cells[:, j] = axis.cell(np.where(active[:, j], u[:, j], 0.5))
    return cells, active
