"""What the losses at the full number of epochs vary by: functional analysis of variance (fANOVA)
with a surrogate.

The share of a hyperparameter is the variance of the mean loss given its value, all else drawn
evenly from the space, over the variance of the losses; that of a pair is what the mean loss given
both values adds to that (Sobol indices; Hutter, Hoos, Leyton-Brown 2014). The surrogate is a sum of
orthonormal functions (see `surrogate` and `functions`), so that both are sums of squared
coefficients, in every draw from its posterior: their mean is the share, their quantiles are its
interval. Shares of hyperparameters and pairs add up to less than 1; what is left is noise, and
whatever three or more do together.

A share that is wrong is worse than none, so none is told where the surrogate foresees too little of
trials that it has not seen, or where its draws disagree.

| symbol | meaning |
| --- | --- |
| c_k | coefficient of a function at the full length |
| q | variance of what configurations do not explain |
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from paceline.core import InvalidInput
from paceline.stats.axes import Array
from paceline.stats.functions import Functions
from paceline.stats.scales import Scaled
from paceline.stats.surrogate import Posterior, learn
from paceline.stats.table import LEAST_TRIALS, Table

LEAST_R2 = 0.3
"""Of the variance, what the surrogate has to foresee of trials that it has not seen."""

LEAST_EVEN = 12
"""Trials drawn evenly that it takes where a search chose most of them: those say little of where it
did not look.
"""

CLOSE, SURE = 0.1, 0.7
"""Shares are told where all of them are within ``CLOSE`` of the truth with a probability of at
least ``SURE``.
"""

BEST = 0.1
"""Part of the space whose configurations are called the best."""

_POINTS = 2048
_LEVEL = 0.95
_FEW = 5  # losses of an epoch, below which their mean is no measure


@dataclass(frozen=True, slots=True)
class Share:
    """What a hyperparameter, or a pair of them, explains.

    Attributes:
        names: of the hyperparameters, one or two.
        share: of the variance, from 0 to 1.
        low, high: 95 % interval of the share.
        num_trials: trials in which all of them were active; of fewer than `LEAST_TRIALS` nothing is
            known, so that the interval is from 0 to 1.
    """

    names: tuple[str, ...]
    share: float
    low: float
    high: float
    num_trials: int

    @classmethod
    def of(cls, names: tuple[str, ...], draws: Array, num_trials: int) -> "Share":
        """From draws of a share."""
        low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
        few = num_trials < LEAST_TRIALS
        return cls(
            names, float(draws.mean()), 0.0 if few else low, 1.0 if few else high, num_trials
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the surrogate foresees losses of trials from those of all other trials.

    Attributes:
        r2: share of the losses' variance after the same number of epochs; below 0 where their mean
            would be better.
        rank_correlation: Spearman's, between foreseen and measured, both less the mean after so
            many epochs.
        num_trials: trials that it was judged by.
        num_full: how many of them were trained to the full length.
        num_even: how many of them were drawn evenly over the space, not where a search expected
            something.
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
        """Whether what the surrogate says is worth showing."""
        return not self.doubt

    @property
    def doubt(self) -> str:
        """Why nothing should be told, as a sentence without its full stop; empty where all is
        well.
        """
        if self.r2 < LEAST_R2:
            return (
                f"a model of the scores foresees {max(0, math.floor(100 * self.r2))} % of the "
                f"variance of trials that "
                f"it has not seen, and {100 * LEAST_R2:.0f} % is the least to rely on"
            )
        if self.num_even < min(LEAST_EVEN, self.num_trials / 2):
            return (
                f"only {self.num_even} of {self.num_trials:,} trials were drawn evenly over the "
                f"space, and the shares "
                f"are of all of it; it takes at least {LEAST_EVEN} that the search did not choose "
                f"by earlier scores"
            )
        if self.sure < SURE:
            return (
                f"{self.num_trials:,} trials, {self.num_full:,} of them trained in full, say too "
                f"little: all shares "
                f"would be right to within {100 * CLOSE:.0f} points with a probability of "
                f"{math.floor(100 * self.sure)} %, and {100 * SURE:.0f} % is the least to rely on; "
                f"more trials "
                "would tell, those trained in full (schedule='full') and drawn evenly "
                "(search='sobol') most"
            )
        return ""


@dataclass(frozen=True, eq=False)
class Variance:
    """The analysis of variance of one table.

    Attributes:
        table: the trials.
        functions: that the surrogate is made of.
        scaled: their losses on one scale.
        posterior: what the surrogate has learned of the coefficients.
    """

    table: Table
    functions: Functions = field(repr=False)
    scaled: Scaled = field(repr=False)
    posterior: Posterior = field(repr=False)

    @classmethod
    def of(cls, table: Table) -> "Variance":
        """Fits the surrogate.

        Raises:
            InvalidInput: fewer than `LEAST_TRIALS` trials, nothing that varies, or losses that are
                all equal.
        """
        check(table)
        functions = Functions.over(table.axes)
        scaled = Scaled.of(table)
        return cls(table, functions, scaled, learn(table, functions, scaled))

    @cached_property
    def quality(self) -> Quality:
        """How far it can be believed."""
        table, y, foreseen = self.table, self.scaled.y, self.posterior.left_out
        of_epoch = np.unique(table.epochs, return_inverse=True)[1]
        counts = np.bincount(of_epoch)
        means, seen_means = (np.bincount(of_epoch, one) / counts for one in (y, foreseen))
        judged = counts[of_epoch] >= _FEW
        off = (y - means[of_epoch])[judged]
        spread = float(off @ off)
        left = (y - foreseen)[judged]
        r2 = 1 - float(left @ left) / spread if spread else 0.0
        correlation = rank_correlation(off, (foreseen - seen_means[of_epoch])[judged])
        draws = self._draws[:, : len(table.axes)]
        sure = (np.abs(draws - draws.mean(axis=0)) <= CLOSE).all(axis=1).mean()
        return Quality(
            r2, correlation, table.num_trials, table.num_full, table.num_even, float(sure)
        )

    def shares(self) -> list[Share]:
        """Of each hyperparameter, in the order of the space."""
        return self._shares(self._draws, 0, len(self.table.axes))

    def interactions(self) -> list[Share]:
        """Of each pair, the largest first: what both together explain beyond what each does
        alone.
        """
        shares = self._shares(self._draws, len(self.table.axes), len(self.functions.groups))
        return sorted(shares, key=lambda share: -share.share)

    def best(self) -> list[Share]:
        """What each hyperparameter alone tells of being among the best tenth of the space, in its
        order.

        The variance of "is among the best tenth" takes the place of that of the loss; the losses
        are the surrogate's.
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
        return np.array([np.bincount(of, one, minlength=num) for one in of_functions])

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
    """Whether anything can be said.

    Raises:
        InvalidInput: fewer than `LEAST_TRIALS` trials, none trained in full, nothing that varies,
            or losses that are all equal.
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
    """Spearman's rank correlation of two lists, ties at their mean rank; 0 where one of them is
    constant.
    """
    ranks = [np.unique(x, return_inverse=True, return_counts=True)[1:] for x in (a, b)]
    p, q = ((np.cumsum(counts) - counts / 2)[place] for place, counts in ranks)
    p, q = p - p.mean(), q - q.mean()
    size = float(np.sqrt((p @ p) * (q @ q)))
    return float(p @ q) / size if size > 0 else 0.0
