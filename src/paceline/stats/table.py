"""Losses of trials as a table: the cell of each hyperparameter, and the epochs of each loss.

| symbol | meaning |
| --- | --- |
| n, d | losses; hyperparameters with more than one value |
| y | losses, shape [n] |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, InvalidInput
from paceline.space import Space
from paceline.stats.axes import Array, HyperparameterAxis, axes_of

LEAST_TRIALS = 10
"""Trials that an analysis needs."""


@dataclass(frozen=True, eq=False)
class Table:
    """Losses of trials after one or more numbers of epochs, on a grid of cells.

    Attributes:
        axes: of the hyperparameters with more than one value, d of them.
        cells: of each loss's configuration on each axis, shape [n, d]; arbitrary if inactive.
        active: whether the hyperparameter was active, shape [n, d].
        losses: smaller is better; infinite if training diverged, shape [n].
        trials: the trial of each loss, from 0 without gaps, shape [n].
        epochs: of each loss; the largest is the full length, shape [n].
        even: whether the trial was drawn uniformly from the space, not chosen by earlier scores,
            shape [n].
        seed: of all random numbers used with the table.
    """

    axes: tuple[HyperparameterAxis, ...]
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
        """Creates the table of trials.

        Args:
            space: their search space.
            configs: of each loss; missing values count as defaults.
            losses: smaller is better; infinite if training diverged.
            trials: number of the trial of each loss; by default each loss has its own trial.
            epochs: of each loss, at least 1; by default all are at the full length.
            even: which were drawn uniformly from the space, as in random search; by default all.
            seed: of random numbers.

        Raises:
            InvalidInput: losses that are NaN, or lengths that differ.
        """
        y = np.asarray(losses, dtype=np.float64)
        count = len(configs)
        if y.shape != (count,) or np.isnan(y).any():
            shape = f"losses have shape {list(y.shape)}"
            given = "losses contain NaN" if y.shape == (count,) else shape
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
        """The index of each hyperparameter's axis."""
        return {axis.name: place for place, axis in enumerate(self.axes)}

    @property
    def num_trials(self) -> int:
        """Number of trials."""
        return int(self.trials.max(initial=-1)) + 1

    @property
    def num_full(self) -> int:
        """Number of trials with a loss at the full length."""
        return len(np.unique(self.trials[self.epochs == self.epochs.max(initial=0.0)]))

    @property
    def num_even(self) -> int:
        """Number of trials drawn uniformly from the space."""
        return int(self.even[self.first_rows].sum())

    @cached_property
    def first_rows(self) -> npt.NDArray[np.intp]:
        """A row of each trial."""
        return np.unique(self.trials, return_index=True)[1]

    def place(self, name: str) -> int:
        """The index of a hyperparameter's axis.

        Raises:
            InvalidInput: there is none, or it has only one value.
        """
        if name not in self.places:
            raise InvalidInput(
                f"hyperparameter is {name!r}", expected=f"one that varies: {', '.join(self.places)}"
            )
        return self.places[name]


def _encoded(
    space: Space, configs: Sequence[Configuration], axes: Mapping[str, HyperparameterAxis]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Cells of configurations, and whether each axis is active, shape [n, d] each."""
    labels = list(space.by_label)
    at = [labels.index(label) for label in axes]
    unique = {id(config): config for config in configs}  # repeated for each epoch
    encoded = {key: space.encode(config) for key, config in unique.items()}
    u = np.array([encoded[id(config)] for config in configs]).reshape(len(configs), len(space))[
        :, at
    ]
    active = ~np.isnan(u)
    cells = np.zeros(u.shape, dtype=np.intp)
    for j, axis in enumerate(axes.values()):
        cells[:, j] = axis.cell(np.where(active[:, j], u[:, j], 0.5))
    return cells, active
