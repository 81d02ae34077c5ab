"""Which observations a model keeps when there are too many: the best, the newest, and some from everywhere."""

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import Rows


def spread_out(Z: Array, y: Array, most: int) -> Rows:
    """Rows of at most that many observations, ascending: 2/5 the best, 1/5 the newest, the others far apart.

    Args:
        Z: settled coordinates, oldest first, [n, d].
        y: losses, [n].
        most: how many to keep.
    """
    n = len(y)
    if n <= most:
        return np.arange(n)
    newest = np.arange(n - most // 5, n)
    rest = np.setdiff1d(np.arange(n), newest)
    best = rest[np.argsort(y[rest], kind="stable")[: 2 * most // 5]]
    kept = np.union1d(newest, best)
    points = np.where(np.isnan(Z), -0.5, Z)
    left = np.setdiff1d(np.arange(n), kept)
    X = points[left]
    chosen: list[int] = []
    nearest = ((X - points[kept].mean(0)) ** 2).sum(1)
    for _ in range(most - len(kept)):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((X - X[chosen[-1]]) ** 2).sum(1))
    return np.sort(np.concatenate([kept, left[chosen]]))
