"""Compares methods measured on the same blocks (seeds, or data sets).

| symbol | meaning |
| --- | --- |
| n, k | blocks, methods |
| x | losses, shape (n, k), a row per block, smaller is better, NaN if the method failed |
| d | differences of two methods on the same blocks |
| R | resamples of the bootstrap |

Sources: ranks and pairwise Wilcoxon tests with Holm's correction instead of Nemenyi's: Benavoli,
Corani, Mangili, "Should we really use post-hoc tests based on mean-ranks?" (JMLR 17, 2016); Holm,
"A simple sequentially rejective multiple test procedure" (Scand. J. Statistics 6, 1979);
interquartile mean: Agarwal et al., "Deep reinforcement learning at the edge of the statistical
precipice" (NeurIPS 2021); expanded percentiles: Hesterberg, "What teachers should know about the
bootstrap" (The American Statistician 69, 2015), section 5.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_RESAMPLES = 10_000
_CUT = 0.25  # share of the values that the interquartile mean drops at each end
_LEVEL = 0.05
_MIN_BOOTSTRAP = 8  # values; with fewer the coverage of a bootstrap is too small


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval.

    The bounds are NaN if the uncertainty is unknown: for a single block, or if all blocks have the
        same
    value.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on the same blocks.

    Attributes:
        first, second: their indices, from 0.
        difference: mean of the second's losses minus the first's; positive if the first is better.
        num_blocks: blocks in which both were measured.
        p: two-sided p-value of no difference; NaN with fewer than two blocks.
        p_holm: corrected for the number of pairs tested.
        test: ``"Wilcoxon"``, or ``"t"`` if there are too few blocks for Wilcoxon's test to be
            significant.
    """

    first: int
    second: int
    difference: Estimate
    num_blocks: int
    p: float
    p_holm: float
    test: Literal["Wilcoxon", "t"]

    @property
    def is_real(self) -> bool:
        """Whether the difference is significant at the 5 % level."""
        return self.p_holm < _LEVEL


def estimate(
    values: "ArrayLike", statistic: Literal["mean", "iqm"] = "mean", seed: int = 0
) -> Estimate:
    """Mean or interquartile mean over blocks with its interval; values must be finite to count.

    The interval of a mean of fewer than eight values is Student's. Otherwise it is by the
    bootstrap: percentiles of R resamples, expanded so that for normal values they have the width of
    Student's (plain ones of five values cover the mean in 82 % of cases only; expanded ones in 92
    %, since no resample leaves the range of the values).
    """
    given = np.asarray(values, dtype=float).ravel()
    given = given[np.isfinite(given)]
    n = len(given)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    if statistic == "mean" and n < _MIN_BOOTSTRAP:
        return _student(given)
    reduce = _iqm if statistic == "iqm" else np.mean
    low, high = _interval(reduce(given[_resampled(n, seed)], axis=-1), n)
    return Estimate(float(reduce(given, axis=-1)), low, high)


def average_ranks(losses: "ArrayLike", seed: int = 0) -> tuple[Estimate, ...]:
    """The average rank of each method over blocks, 1 for the best, with bootstrap intervals.

    Args:
        losses: x; equal ones share their rank, failures share the last.
        seed: of the resampling.
    """
    from scipy.stats import rankdata

    x = _table(losses)
    ranks = rankdata(np.where(np.isfinite(x), x, np.inf), axis=1)
    means = ranks[_resampled(len(x), seed)].mean(axis=1)
    bounds = [_interval(means[:, k], len(x)) for k in range(x.shape[1])]
    return tuple(
        Estimate(float(m), *bound) for m, bound in zip(ranks.mean(axis=0), bounds, strict=True)
    )


def pairwise(
    losses: "ArrayLike", pairs: Sequence[tuple[int, int]] | None = None, seed: int = 0
) -> tuple[Pair, ...]:
    """Compares pairs of methods on the same blocks, with Holm's correction.

    By Wilcoxon's signed-rank test, exact for up to 13 blocks. With n blocks its p is at least 2 /
    2^n, so five seeds could never be significant; if so even before the correction, the paired
    t-test is used.

    Args:
        losses: x.
        pairs: pairs of indices; None for all.
        seed: of the resampling.
    """
    x = _table(losses)
    wanted = list(combinations(range(x.shape[1]), 2)) if pairs is None else list(pairs)
    found = []
    for first, second in wanted:
        d = x[:, second] - x[:, first]
        d = d[np.isfinite(d)]
        enough = 2.0 ** (1 - len(d)) * len(wanted) < _LEVEL
        test: Literal["Wilcoxon", "t"] = "Wilcoxon" if enough else "t"
        found.append((first, second, d, signed_rank(d) if enough else _paired_t(d), test))
    corrected = holm([p for *_, p, _ in found])
    return tuple(
        Pair(first, second, estimate(d, seed=seed), len(d), p, p_holm, test)
        for (first, second, d, p, test), p_holm in zip(found, corrected, strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected by Holm's step-down procedure, in the given order; NaN does not count."""
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i]
    )
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def signed_rank(d: "NDArray[np.float64]") -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; 1 if nothing differs.

    Differences of 0 do not count, as Wilcoxon has it. It is exact for up to 13 differences, and
    without ties for up to 50.
    """
    from scipy.stats import wilcoxon

    d = d[d != 0.0]
    return float(wilcoxon(d).pvalue) if len(d) else 1.0


def _table(losses: "ArrayLike") -> "NDArray[np.float64]":
    x = np.asarray(losses, dtype=float)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"losses have the shape {x.shape}; expected (blocks, methods)")
    return x


def _iqm(values: "NDArray[np.float64]", axis: int) -> Any:
    """The mean of the middle half: without ``floor(n / 4)`` values at either end."""
    from scipy.stats import trim_mean

    return trim_mean(values, _CUT, axis)


@lru_cache(maxsize=8)
def _resampled(n: int, seed: int) -> "NDArray[np.intp]":
    """Indices of R resamples, shape (R, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(_RESAMPLES, n))


def _interval(resampled: "NDArray[np.float64]", n: int) -> tuple[float, float]:
    """Percentiles a and 1 - a, where a = Phi(-sqrt(n / (n - 1)) t(1 - alpha / 2; n - 1))."""
    from scipy.stats import norm, t

    if n < 2:
        return math.nan, math.nan
    expanded = float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(1 - _LEVEL / 2, n - 1)))
    low, high = np.quantile(resampled, [expanded, 1 - expanded])
    return (math.nan, math.nan) if low == high else (float(low), float(high))


def _student(values: "NDArray[np.float64]") -> Estimate:
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    if n < 2 or not np.ptp(values):
        return Estimate(mean, math.nan, math.nan)
    half = float(t.ppf(1 - _LEVEL / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half)


def _paired_t(d: "NDArray[np.float64]") -> float:
    from scipy.stats import ttest_1samp

    if len(d) < 2:
        return math.nan
    # without spread t is undefined: use the sign test
    if np.ptp(d) <= 1e-12 * np.max(np.abs(d), initial=0.0):
        return float(2.0 ** (1 - len(d))) if np.any(d) else 1.0
    return float(ttest_1samp(d, 0.0).pvalue)
