"""How far a search has come, and how far it would come by luck alone.

| symbol | meaning |
| --- | --- |
| N, n | trials; trials that a search would have had |
| v_(i) | the i-th smallest loss |
| E_n | expected smallest loss of n trials |
"""

import numpy as np
import numpy.typing as npt

from paceline.core import InvalidInput
from paceline.stats.axes import Array


def best_so_far(losses: npt.ArrayLike) -> Array:
    """The smallest loss up to each trial; NaN for a trial without one, and NaN until there is one."""
    y = np.asarray(losses, dtype=np.float64)
    smallest = np.minimum.accumulate(np.where(np.isnan(y), np.inf, y))
    return np.where(np.isinf(smallest) & (smallest > 0), np.nan, smallest)


def expected_best(losses: npt.ArrayLike) -> Array:
    """E_n for n = 1..N, from N trials whose order means nothing, such as those of random search; shape [N].

    The mean of the smallest over all subsets of n trials: E_n = sum_i v_(i) C(N - i, n - 1) / C(N, n). It is unbiased,
    as the plug-in of Dodge et al. 2019 is not (Tang et al. 2020, "Showing your work doesn't always work").

    Raises:
        InvalidInput: no losses, or one that is not finite.
    """
    v = np.sort(np.asarray(losses, dtype=np.float64))
    if not len(v) or not np.isfinite(v).all():
        raise InvalidInput(f"losses are {v.tolist()[:5]}", expected="finite numbers, at least one")
    N = len(v)
    i = np.arange(1, N + 1)
    weights, expected = np.full(N, 1 / N), np.empty(N)
    for n in range(1, N + 1):
        expected[n - 1] = weights @ v
        # C(N - i, n) / C(N, n + 1) from C(N - i, n - 1) / C(N, n)
        weights = weights * np.maximum(N - i - n + 1, 0) / max(N - n, 1) * (n + 1) / n
    return expected
