"""Scales losses of different numbers of epochs to a common scale, and limits outliers.

The loss of a bad configuration can be arbitrarily large, in particular if training diverged, and
would dominate the variance. Losses worse than a cap therefore count as the cap. It must not depend
on where a search looked: it is the median of the trials that were drawn uniformly, plus a multiple
of the difference between that and the best trial.

| symbol | meaning |
| --- | --- |
| y | losses, shape [n] |
| r, E | epochs of a loss; the full length |
| h | share of the way that remains: 1 after the first epoch, 0 at the full length |
| m | median loss after a number of epochs, of trials drawn uniformly if there are any |
| b | m less the best of them |
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array
from paceline.stats.table import Table

# times b; exceeded by 2 % of normally distributed losses if b were half a deviation
CAP = 4.0
_DEVIATIONS = 1.5  # b in standard deviations, roughly
_FEW = 4  # losses; with fewer their median is not used
_PRIOR = 5.0  # trials: the weight of the prior that the spread is the same for all epochs
# natural logarithms of a ratio: within the range of the model, and the largest correction
_USUAL, _MOST = 1.1, 4.0
_POWER = 0.5


def remaining_share(epochs: Array, power: float) -> Array:
    """h, by a power law of the epochs; 0 if all losses have the same number of epochs."""
    first, full = float(epochs.min()), float(epochs.max())
    if first == full:
        return np.zeros(len(epochs))
    end = full**-power
    return np.asarray((epochs**-power - end) / (first**-power - end))


@dataclass(frozen=True, eq=False)
class ScaledLosses:
    """Losses on a common scale.

    Attributes:
        y: with mean about 0 and deviation about 1 over the space, shape [n].
        unit: a unit of y at the full length, as a loss.
        origin: 0 of y, as a loss.
        cap: the loss at the full length to which worse ones are limited; None if there are none.
    """

    y: Array
    unit: float
    origin: float
    cap: float | None

    @classmethod
    def of(cls, table: Table) -> "ScaledLosses":
        """Scales the losses of a table, of which at least one is finite."""
        factors = np.exp(-_log_ratio(table) * remaining_share(table.epochs, _POWER))
        known = np.isfinite(table.losses)
        y = np.where(known, table.losses, 0.0) * factors
        middles, caps, spread = _caps(table, y, known)
        full = table.epochs == table.epochs.max()
        capped = ~known | (y > caps)
        y = np.where(capped, caps, y)
        unit = spread / _DEVIATIONS or float(y.std()) or 1.0
        cap = float(caps[full & capped][0]) if (full & capped).any() else None
        return cls((y - middles) / unit, unit, float(middles[full][0]), cap)


def _caps(table: Table, y: Array, known: npt.NDArray[np.bool_]) -> tuple[Array, Array, float]:
    """m and the cap of each loss, and b after the first epochs, which all trials reach."""
    middles, caps, spread = np.empty(len(y)), np.empty(len(y)), 0.0
    for epoch in np.unique(table.epochs):
        here = table.epochs == epoch
        even = here & known & table.even
        some = even if even.sum() >= _FEW else here & known
        some = some if some.any() else known
        middle = float(np.median(y[some]))
        own = middle - float(y[here & known].min(initial=middle))
        spread = spread or own
        middles[here], caps[here] = middle, middle + CAP * max(own, spread)
    return middles, caps, spread


def _log_ratio(table: Table) -> float:
    """The logarithm of the spread after the first epochs over that at the full length."""
    known = np.isfinite(table.losses)
    epochs = np.unique(table.epochs)
    first = np.full(table.num_trials, np.nan)
    rows = (table.epochs == epochs[0]) & known
    first[table.trials[rows]] = table.losses[rows]
    for epoch in epochs[:0:-1].tolist():
        both = (table.epochs == epoch) & known & ~np.isnan(first[table.trials])
        if both.sum() < _FEW:
            continue
        pairs = np.stack([first[table.trials[both]], table.losses[both]])
        low, high = np.quantile(pairs, [0.25, 0.75], axis=1)
        if (high <= low).any():
            return 0.0
        way = 1.0 - float(remaining_share(np.array([epochs[0], epoch, epochs[-1]]), _POWER)[1])
        ratio = float(np.log((high - low)[0] / (high - low)[1])) / max(way, 0.3)
        ratio *= both.sum() / (both.sum() + _PRIOR)
        return float(np.sign(ratio) * np.clip(abs(ratio) - _USUAL, 0.0, _MOST))
    return 0.0
