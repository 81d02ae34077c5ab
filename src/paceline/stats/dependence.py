"""How the score depends on one hyperparameter, all else drawn evenly (partial dependence; Friedman 2001), with a band.

The curve is made of the functions phi of `importance`: their coefficients are the forest's, integrated exactly over the
boxes of its leaves, plus what the trials that its trees have not seen say that these lack, each shrunken as far as it
may be chance (James-Stein). The band is that of the coefficients without shrinking, at each point on its own.

| symbol | meaning |
| --- | --- |
| d_k | mean of phi_k times what the forest leaves unexplained |
| v_k | variance of d_k over bootstrap samples |
"""

from dataclasses import dataclass

import numpy as np

from paceline.core import Value
from paceline.stats.axes import Array
from paceline.stats.importance import FUNCTIONS, SAMPLES, WIDER, Effect, Variance
from paceline.stats.table import Table

LEAST_SUPPORT = 3
"""A point that fewer trials lie close to is a guess."""

_CLOSE = 0.05  # on the unit interval
_NORMAL = 1.96


@dataclass(frozen=True, eq=False)
class Dependence:
    """The mean loss at each value of a hyperparameter, where it is active.

    Attributes:
        name: the hyperparameter.
        ordered: whether its values are in an order that means something.
        values: G of them, ascending where ordered.
        mean: of the loss, shape [G].
        low, high: 95 % band, shape [G].
        num_trials: trials that lie close to each value (a twentieth of the range), or have it, shape [G].
    """

    name: str
    ordered: bool
    values: tuple[Value, ...]
    mean: Array
    low: Array
    high: Array
    num_trials: tuple[int, ...]

    @property
    def supported(self) -> tuple[bool, ...]:
        """Whether at least `LEAST_SUPPORT` trials lie close to each value."""
        return tuple(num >= LEAST_SUPPORT for num in self.num_trials)


def dependence(variance: Variance, name: str) -> Dependence:
    """How the loss depends on a hyperparameter.

    Raises:
        InvalidInput: there is no such hyperparameter, or it has one value only.
    """
    table, forest = variance.table, variance.forest
    place = table.place(name)
    axis = table.axes[place]
    effect = Effect.of(table, forest, (place,), FUNCTIONS)
    used = table.active[:, place] & table.even
    scale = np.sqrt(max(effect.active_share, 1e-12))
    # the first function of all is constant: how far the forest's level is off
    parts = np.column_stack([used * forest.left / max(used.sum(), 1), effect.parts / scale])
    functions = np.column_stack([np.ones(len(axis.lengths)), effect.functions[0]])
    noise = WIDER * (table.bootstrap(SAMPLES, table.even) - table.even) @ parts
    d, v = parts.sum(axis=0), noise.var(axis=0)
    shrunken = d * np.maximum(0.0, 1 - v / np.maximum(d**2, 1e-300))
    known = np.concatenate([[forest.mean + effect.level], effect.from_forest / scale])
    mean = functions @ (known + shrunken)
    half = _NORMAL * (noise @ functions.T).std(axis=0)
    return Dependence(name, axis.ordered, axis.values, mean, mean - half, mean + half, _support(table, place))


def _support(table: Table, place: int) -> tuple[int, ...]:
    axis = table.axes[place]
    cells = table.cells[table.active[:, place], place]
    if not axis.ordered:
        return tuple(np.bincount(cells, minlength=len(axis.lengths)).tolist())
    distance = np.abs(axis.middles[:, None] - axis.middles[cells][None, :])
    return tuple((distance <= _CLOSE).sum(axis=1).tolist())
