"""How the score depends on one hyperparameter, all else drawn evenly (partial dependence; Friedman
2001), with a band.

The curve is that of the surrogate at the full number of epochs (see `surrogate`): the mean over the
configurations in which the hyperparameter is active, plus its own functions. The band holds 95 % of
the draws at each point on its own.
"""

from dataclasses import dataclass

import numpy as np

from paceline.core import Value
from paceline.stats.axes import Array
from paceline.stats.importance import Variance
from paceline.stats.table import Table

LEAST_SUPPORT = 3
"""A point that fewer trials lie close to is a guess."""

_CLOSE = 0.05  # on the unit interval
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Dependence:
    """The mean loss at each value of a hyperparameter, where it is active.

    Attributes:
        name: the hyperparameter.
        ordered: whether its values are in an order that means something.
        values: G of them, ascending where ordered.
        mean: of the loss, shape [G].
        low, high: 95 % band, shape [G].
        num_trials: trials that lie close to each value (a twentieth of the range), or have it,
            shape [G].
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
    table, posterior, scaled = variance.table, variance.posterior, variance.scaled
    place = table.place(name)
    axis, functions = table.axes[place], variance.functions
    group = functions.groups[place]
    own = posterior.coefficients[:, functions.of == place] @ group.phi[0].T / np.sqrt(group.beta)
    level = posterior.level + posterior.coefficients @ functions.means_where_active(place)
    draws = scaled.origin + scaled.unit * (level[:, None] + own)
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return Dependence(
        name, axis.ordered, axis.values, draws.mean(axis=0), low, high, _support(table, place)
    )


def _support(table: Table, place: int) -> tuple[int, ...]:
    axis = table.axes[place]
    rows = table.first_rows
    cells = table.cells[rows[table.active[rows, place]], place]
    if not axis.ordered:
        return tuple(np.bincount(cells, minlength=len(axis.lengths)).tolist())
    distance = np.abs(axis.middles[:, None] - axis.middles[cells][None, :])
    return tuple((distance <= _CLOSE).sum(axis=1).tolist())
