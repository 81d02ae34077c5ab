"""Several methods measured on the same blocks (seeds, or data sets): which is ahead, and is it more
than luck?

| symbol | meaning |
| --- | --- |
| n, k | blocks, methods |
| x | losses, shape (n, k): of one block in each row, smaller is better, NaN where the method failed |
| d | differences of two methods on the same blocks |
| R | resamples of the bootstrap |

Sources: ranks and pairwise Wilcoxon tests with Holm's correction in the place of Nemenyi's:
Benavoli, Corani, Mangili, "Should we really use post-hoc tests based on mean-ranks?" (JMLR 17,
2016); Holm, "A simple sequentially rejective multiple test procedure" (Scand. J. Statistics 6,
1979); interquartile mean: Agarwal et al., "Deep reinforcement learning at the edge of the
statistical precipice" (NeurIPS 2021); expanded percentiles: Hesterberg, "What teachers should know
about the bootstrap" (The American Statistician 69, 2015), section 5.3.
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
_CUT = 0.25  # of the values, that the interquartile mean leaves out at each end
_LEVEL = 0.05
_FEW = 8  # values of which a bootstrap still covers too little
_ENUMERATED = 13  # up to so many blocks, all signs are gone through: exact with ties, too


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval.

    The bounds are NaN where the blocks cannot say how sure it is: where there is only one, or where
    all have the same value, which shows no spread by which to measure it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on the same blocks.

    Attributes:
        first, second: their places, from 0.
        difference: mean of the second's losses minus the first's; above 0, the first is better.
        num_blocks: blocks in which both were measured.
        p: of no difference, two-sided; NaN with fewer than two blocks.
        p_holm: the same, corrected for the number of pairs that were looked at.
        test: ``"Wilcoxon"``, or ``"t"`` where there are too few blocks for Wilcoxon's test ever to
            say anything.
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
        """Whether the difference is more than luck, at the 5 % level."""
        return self.p_holm < _LEVEL


def iqm(values: "ArrayLike", axis: int = -1) -> Any:
    """Mean of the middle half: without ``floor(n / 4)`` values at either end."""
    ordered = np.sort(np.asarray(values, dtype=float), axis=axis)
    n = ordered.shape[axis]
    cut = int(_CUT * n)
    return np.mean(np.take(ordered, range(cut, n - cut), axis=axis), axis=axis)


def estimate(
    values: "ArrayLike", statistic: Literal["mean", "iqm"] = "mean", seed: int = 0
) -> Estimate:
    """Mean or interquartile mean over blocks with its interval; values that are not finite are left
    out.

    The interval of a mean of fewer than eight values is Student's. Else it is a bootstrap's:
    percentiles of R resamples, expanded so that for normal values they are as far apart as
    Student's (plain ones of five values cover the mean in 82 % of cases only; expanded ones in 92
    %, since no resample leaves the range of the values).
    """
    given = np.asarray(values, dtype=float).ravel()
    given = given[np.isfinite(given)]
    n = len(given)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    if statistic == "mean" and n < _FEW:
        return _student(given)
    reduce = iqm if statistic == "iqm" else np.mean
    low, high = _interval(reduce(given[_resampled(n, seed)], axis=-1), n)
    return Estimate(float(reduce(given, axis=-1)), low, high)


def average_ranks(losses: "ArrayLike", seed: int = 0) -> tuple[Estimate, ...]:
    """Average rank of each method over blocks, 1 for the best, with bootstrap intervals over
    blocks.

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
    """Every two methods against each other on the same blocks, with Holm's correction.

    Wilcoxon's signed-rank test, exact for up to 13 blocks. With n blocks its p is at least 2 / 2^n,
    so that five seeds could never show anything; where that is so even before the correction, the
    paired t-test is taken.

    Args:
        losses: x.
        pairs: which two; None for all.
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
        found.append((first, second, d, _wilcoxon(d) if enough else _paired_t(d), test))
    corrected = holm([p for *_, p, _ in found])
    return tuple(
        Pair(first, second, estimate(d, seed=seed), len(d), p, p_holm, test)
        for (first, second, d, p, test), p_holm in zip(found, corrected, strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected by Holm's step-down procedure, in the order given; NaN stays and counts
    for none.
    """
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i]
    )
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def _table(losses: "ArrayLike") -> "NDArray[np.float64]":
    x = np.asarray(losses, dtype=float)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"losses have the shape {x.shape}; expected (blocks, methods)")
    return x


@lru_cache(maxsize=8)
def _resampled(n: int, seed: int) -> "NDArray[np.intp]":
    """Indices of R resamples, shape (R, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(_RESAMPLES, n))


def _interval(resampled: "NDArray[np.float64]", n: int) -> tuple[float, float]:
    """Percentiles alpha' and 1 - alpha' with alpha' = Phi(-sqrt(n / (n - 1)) t(1 - alpha / 2; n -
    1)).
    """
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


def _wilcoxon(d: "NDArray[np.float64]") -> float:
    """Two-sided p of the signed-rank test; differences of nought are left out, as Wilcoxon did."""
    from scipy.stats import rankdata, wilcoxon

    d = d[d != 0.0]
    if len(d) == 0:
        return 1.0
    if len(d) > _ENUMERATED:
        return float(wilcoxon(d).pvalue)
    ranked = rankdata(np.abs(d))
    sums = np.zeros(1)
    for rank in ranked:  # over all signs that the differences could have had
        sums = np.concatenate([sums - rank, sums + rank])
    return float(np.mean(np.abs(sums) >= abs(float(np.sign(d) @ ranked)) - 1e-9))


def _paired_t(d: "NDArray[np.float64]") -> float:
    from scipy.stats import ttest_1samp

    if len(d) < 2:
        return math.nan
    if np.ptp(d) <= 1e-12 * np.max(
        np.abs(d), initial=0.0
    ):  # no spread: t has no meaning; signs have
        return float(2.0 ** (1 - len(d))) if np.any(d) else 1.0
    return float(ttest_1samp(d, 0.0).pvalue)
