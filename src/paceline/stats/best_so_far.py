"""The best loss up to each trial, and the expected one of random search.

| symbol | meaning |
| --- | --- |
| N, n | trials; trials of a search |
| v_(i) | the i-th smallest loss |
| E_n | expected smallest loss of n trials |
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paceline.core import InvalidInput
from paceline.stats.axes import Array


def best_so_far(losses: npt.ArrayLike) -> Array:
    """The smallest loss up to each trial; NaN for a trial without one, and before the first one."""
    y = np.asarray(losses, dtype=np.float64)
    smallest = np.minimum.accumulate(np.where(np.isnan(y), np.inf, y))
    return np.where(np.isinf(smallest) & (smallest > 0), np.nan, smallest)


_NEGLIGIBLE = 45.0  # weights below exp(-45) of the sum do not change it


def expected_best(losses: npt.ArrayLike, counts: Sequence[int] | None = None) -> Array:
    """E_n of N trials in arbitrary order, such as those of random search.

    The mean of the smallest loss over all subsets of n trials: E_n = sum_i v_(i) C(N - i, n - 1) /
    C(N, n). It is unbiased, unlike the plug-in of Dodge et al. 2019 (Tang et al. 2020, "Showing
    your work doesn't always work").

    Args:
        losses: of the N trials.
        counts: values of n; None for 1..N.

    Returns:
        E_n for each count, shape [len(counts)].

    Raises:
        InvalidInput: no losses, or one that is not finite.
    """
    v = np.sort(np.asarray(losses, dtype=np.float64))
    if not len(v) or not np.isfinite(v).all():
        raise InvalidInput(f"losses are {v.tolist()[:5]}", expected="finite numbers, at least one")
    N = len(v)
    return np.array(
        [_expected_smallest(v, n) for n in (range(1, N + 1) if counts is None else counts)]
    )


def _expected_smallest(v: Array, n: int) -> float:
    """E_n; weights of v_(i) fall faster than (1 - n / N)^i, so few terms suffice if n is large."""
    N = len(v)
    terms = min(N - n + 1, math.ceil(_NEGLIGIBLE * N / n) + 1)
    i = np.arange(1, terms)
    # the weight of v_(1) is n / N; that of v_(i + 1) is that of v_(i) times (N - i - n + 1) / (N -
    # i)
    weights = n / N * np.cumprod(np.concatenate([[1.0], (N - i - n + 1) / (N - i)]))
    return float(weights @ v[:terms])
