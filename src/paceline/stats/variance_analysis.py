"""Functional analysis of variance (fANOVA) of the losses at the full number of epochs.

The share of a hyperparameter is the variance of the mean loss given its value, with all others
drawn uniformly from the space, over the variance of the losses; that of a pair is what the mean
loss given both values adds to that (Sobol indices; Hutter, Hoos, Leyton-Brown 2014). The surrogate
is a sum of orthonormal functions (see `bayesian_regression` and `basis_functions`), so both are
sums of squared coefficients, in each draw from its posterior: their mean is the share, their
quantiles are its interval. Shares of hyperparameters and pairs add up to less than 1; the rest is
noise, and interactions of three or more.

A wrong share is worse than none, so there are none if the surrogate predicts left-out trials too
badly, or if its draws disagree.

| symbol | meaning |
| --- | --- |
| c_k | coefficient of a function at the full length |
| q | variance that configurations do not explain |
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from paceline.core import InvalidInput
from paceline.stats.axes import Array
from paceline.stats.basis_functions import BasisFunctions
from paceline.stats.bayesian_regression import Posterior, sample_posterior
from paceline.stats.scales import ScaledLosses
from paceline.stats.table import LEAST_TRIALS, Table

LEAST_R2 = 0.3
"""Share of the variance of left-out trials that the surrogate has to predict."""

LEAST_EVEN = 12
"""Uniformly drawn trials that are needed if a search chose most: those cover the space badly."""

CLOSE, SURE = 0.1, 0.7
"""Shares are shown if all are within ``CLOSE`` of the truth with probability ``SURE`` or more."""

BEST = 0.1
"""Share of the space that counts as the best configurations."""

_POINTS = 2048
_LEVEL = 0.95
_FEW = 5  # losses of an epoch; with fewer their mean is not used


@dataclass(frozen=True, slots=True)
class Share:
    """The share of the variance that a hyperparameter, or a pair, explains.

    Attributes:
        names: of the hyperparameters, one or two.
        share: of the variance, from 0 to 1.
        low, high: 95 % interval of the share.
        num_trials: trials in which all of them were active; with fewer than `LEAST_TRIALS` the
            interval is from 0 to 1.
    """

    names: tuple[str, ...]
    share: float
    low: float
    high: float
    num_trials: int

    @classmethod
    def of(cls, names: tuple[str, ...], draws: Array, num_trials: int) -> "Share":
        """Computes a share from draws."""
        low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
        few = num_trials < LEAST_TRIALS
        return cls(
            names, float(draws.mean()), 0.0 if few else low, 1.0 if few else high, num_trials
        )


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """How well the surrogate predicts the losses of a trial from those of all other trials.

    Attributes:
        r2: share of the variance of losses after the same number of epochs that it predicts;
            negative if their mean would be better.
        rank_correlation: Spearman's, between predicted and measured losses, without the means of
            epochs.
        num_trials: number of trials.
        num_full: number of trials that were trained to the full length.
        num_even: number of trials drawn uniformly from the space, not chosen by earlier scores.
        sure: probability that all shares of single hyperparameters are within `CLOSE` of the truth.
    """

    r2: float
    rank_correlation: float
    num_trials: int
    num_full: int
    num_even: int
    sure: float

    @property
    def enough(self) -> bool:
        """Whether the results are reliable enough to be shown."""
        return not self.doubt

    @property
    def doubt(self) -> str:
        """Why results are not shown, as a sentence without full stop; empty if they are."""
        if self.r2 < LEAST_R2:
            return (
                f"a model of the scores predicts {max(0, math.floor(100 * self.r2))} % of the "
                f"variance of left-out trials (R²), and at least {100 * LEAST_R2:.0f} % is needed"
            )
        if self.num_even < min(LEAST_EVEN, self.num_trials / 2):
            return (
                f"only {self.num_even} of {self.num_trials:,} trials were drawn uniformly from the "
                f"space, to which the shares refer; at least {LEAST_EVEN} are needed that were not "
                f"chosen by earlier scores"
            )
        if self.sure < SURE:
            return (
                f"{self.num_trials:,} trials, {self.num_full:,} of them trained in full, are too "
                f"few: the probability that all shares are right to within {100 * CLOSE:.0f} "
                f"percentage points is {math.floor(100 * self.sure)} %, and at least "
                f"{100 * SURE:.0f} % is needed; more trials help, most of all trials trained in "
                "full (schedule='full') and drawn uniformly (search='sobol')"
            )
        return ""


@dataclass(frozen=True, eq=False)
class VarianceAnalysis:
    """The analysis of variance of a table.

    Attributes:
        table: the trials.
        functions: of the surrogate.
        scaled: losses of the trials on one scale.
        posterior: of the coefficients.
    """

    table: Table
    functions: BasisFunctions = field(repr=False)
    scaled: ScaledLosses = field(repr=False)
    posterior: Posterior = field(repr=False)

    @classmethod
    def of(cls, table: Table) -> "VarianceAnalysis":
        """Fits the surrogate.

        Raises:
            InvalidInput: fewer than `LEAST_TRIALS` trials, nothing that varies, or losses that are
                all equal.
        """
        check(table)
        functions = BasisFunctions.over(table.axes)
        scaled = ScaledLosses.of(table)
        return cls(table, functions, scaled, sample_posterior(table, functions, scaled))

    @cached_property
    def quality(self) -> SurrogateQuality:
        """How reliable the surrogate is."""
        table, y, predicted = self.table, self.scaled.y, self.posterior.left_out
        of_epoch = np.unique(table.epochs, return_inverse=True)[1]
        counts = np.bincount(of_epoch)
        means, predicted_means = (
            np.bincount(of_epoch, losses) / counts for losses in (y, predicted)
        )
        judged = counts[of_epoch] >= _FEW
        off = (y - means[of_epoch])[judged]
        spread = float(off @ off)
        left = (y - predicted)[judged]
        r2 = 1 - float(left @ left) / spread if spread else 0.0
        correlation = rank_correlation(off, (predicted - predicted_means[of_epoch])[judged])
        draws = self._draws[:, : len(table.axes)]
        sure = (np.abs(draws - draws.mean(axis=0)) <= CLOSE).all(axis=1).mean()
        return SurrogateQuality(
            r2, correlation, table.num_trials, table.num_full, table.num_even, float(sure)
        )

    def shares(self) -> list[Share]:
        """The share of each hyperparameter, in the order of the space."""
        return self._shares(self._draws, 0, len(self.table.axes))

    def interactions(self) -> list[Share]:
        """The share of each pair beyond those of the two alone, largest first."""
        shares = self._shares(self._draws, len(self.table.axes), len(self.functions.groups))
        return sorted(shares, key=lambda share: -share.share)

    def best(self) -> list[Share]:
        """Shares of hyperparameters for being among the best tenth of the space, in its order.

        Of the variance of the indicator of the best tenth instead of the loss; losses are the
        surrogate's.
        """
        rng = np.random.default_rng([self.table.seed, _POINTS])
        values = self.functions.values(*self.functions.draw(_POINTS, rng))
        losses = self.posterior.coefficients @ values.T
        best = (losses <= np.quantile(losses, BEST, axis=1, keepdims=True)).astype(np.float64)
        part = best.mean(axis=1, keepdims=True)
        single = slice(0, self.functions.num_single)
        c = (best - part) @ values[:, single] / _POINTS
        chance = (part * (1 - part)) / _POINTS
        squares = (c**2 - chance) / np.maximum(part * (1 - part), 1e-12)
        return self._shares(np.maximum(0.0, self._by_group(squares)), 0, len(self.table.axes))

    @cached_property
    def _draws(self) -> Array:
        """Shares of all groups in each draw, shape [draws, groups]."""
        parts = self._by_group(self.posterior.coefficients**2)
        total = parts.sum(axis=1) + self.posterior.noise
        return np.asarray(parts / total[:, None])

    def _by_group(self, of_functions: Array) -> Array:
        """Sums over each group's functions, shape [draws, groups]."""
        of = self.functions.of[: of_functions.shape[1]]
        num = len(self.functions.groups)
        return np.array([np.bincount(of, values, minlength=num) for values in of_functions])

    def _shares(self, draws: Array, first: int, last: int) -> list[Share]:
        active = self.table.active[self.table.first_rows]
        found = []
        for at in range(first, last):
            places = self.functions.groups[at].places
            names = tuple(self.table.axes[place].name for place in places)
            num_trials = int(active[:, list(places)].all(axis=1).sum())
            found.append(Share.of(names, draws[:, at], num_trials))
        return found


def check(table: Table) -> None:
    """Checks that an analysis is possible.

    Raises:
        InvalidInput: fewer than `LEAST_TRIALS` trials, none trained in full, no hyperparameter that
            varies, or losses that are all equal.
    """
    if not table.axes:
        raise InvalidInput(
            "no hyperparameter varies", expected="at least one with more than one value"
        )
    if table.num_trials < LEAST_TRIALS:
        raise InvalidInput(
            f"{table.num_trials} trials have a score", expected=f"at least {LEAST_TRIALS}"
        )
    known = table.losses[np.isfinite(table.losses)]
    if np.ptp(known) == 0 if len(known) else True:
        raise InvalidInput("all scores are equal", expected="scores that differ")


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation, with mean ranks for ties; 0 if a list is constant."""
    ranks = [np.unique(x, return_inverse=True, return_counts=True)[1:] for x in (a, b)]
    p, q = ((np.cumsum(counts) - counts / 2)[place] for place, counts in ranks)
    p, q = p - p.mean(), q - q.mean()
    size = float(np.sqrt((p @ p) * (q @ q)))
    return float(p @ q) / size if size > 0 else 0.0
