"""Which observations a model keeps when there are too many: the best, the newest, and some from
everywhere.
"""

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import Rows


def spread_out(Z: Array, y: Array, most: int) -> Rows:
    """Rows of at most that many observations, ascending: 2/5 the best, 1/5 the newest, the others
    far apart.

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
    X = points[left] - points[kept].mean(0)
    squares = np.einsum("ij,ij->i", X, X)
    chosen: list[int] = []
    nearest = squares.copy()
    for _ in range(most - len(kept)):
        row = int(nearest.argmax())
        chosen.append(row)
        np.minimum(nearest, squares + (squares[row] - 2 * (X @ X[row])), out=nearest)
        nearest[row] = -np.inf  # not what rounding makes of 0
    return np.sort(np.concatenate([kept, left[chosen]]))
