"""Selection of observations for the model if there are too many."""

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import Rows


def spread_out(Z: Array, y: Array, most: int) -> Rows:
    """Rows of ``most`` observations, ascending: 2/5 the best, 1/5 the newest, others far apart.

    Args:
        Z: settled coordinates, oldest first, [n, d].
        y: losses, [n].
        most: maximum number of rows.
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
        nearest[row] = -np.inf  # exactly, despite rounding errors of 0
    return np.sort(np.concatenate([kept, left[chosen]]))
