"""Partial dependence of the loss on a hyperparameter (Friedman 2001), with a band.

The curve is that of the surrogate at the full number of epochs (see `bayesian_regression`): the
mean over the configurations in which the hyperparameter is active, plus its own functions. The band
contains 95 % of the draws at each point separately.
"""

from dataclasses import dataclass

import numpy as np

from paceline.core import Value
from paceline.stats.axes import Array
from paceline.stats.table import Table
from paceline.stats.variance_analysis import VarianceAnalysis

LEAST_SUPPORT = 3
"""Trials near a point for its value to be supported by data."""

_CLOSE = 0.05  # on the unit interval
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class PartialDependence:
    """The mean loss at each value of a hyperparameter, where it is active.

    Attributes:
        name: the hyperparameter.
        ordered: whether its values are ordered.
        values: G of them, ascending if ordered.
        mean: of the loss, shape [G].
        low, high: 95 % band, shape [G].
        num_trials: trials near each value (a twentieth of the range), or with it if unordered,
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
        """Whether at least `LEAST_SUPPORT` trials are near each value."""
        return tuple(num >= LEAST_SUPPORT for num in self.num_trials)


def partial_dependence(variance: VarianceAnalysis, name: str) -> PartialDependence:
    """Computes the partial dependence of the loss on a hyperparameter.

    Raises:
        InvalidInput: there is no such hyperparameter, or it has only one value.
    """
    table, posterior, scaled = variance.table, variance.posterior, variance.scaled
    place = table.place(name)
    axis, functions = table.axes[place], variance.functions
    group = functions.groups[place]
    own = posterior.coefficients[:, functions.of == place] @ group.phi[0].T / np.sqrt(group.beta)
    level = posterior.level + posterior.coefficients @ functions.means_where_active(place)
    draws = scaled.origin + scaled.unit * (level[:, None] + own)
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return PartialDependence(
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
