"""How much a candidate promises, and what is promised once others are under way.

| symbol | meaning |
| --- | --- |
| S | number of sampled futures |
| M, N | number of candidates; of points conditioned on so far |
| mu, var | mean in each future [M, S] and variance, which is the same in all [M], of the noise-free value |
| best | least value known in each future, [S] |

Points whose values are not known (pending trials, earlier picks of the batch, and the observed points that may be the
best, since their noise-free values are not known either) are conditioned on in each of S sampled futures. Each adds a
row to the Cholesky factor, so that the whole batch costs one triangular solve and a matrix-vector product a pick:
expected improvement over futures is that of Snoek, Larochelle, Adams (2012), noisy EI that of Letham et al. (2019);
log EI and its tails are those of Ament et al. (2023).
"""

import math

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import Features
from paceline.search.bayes.surrogate import Surrogate

_LEAST = 1e-12  # variance
_JITTER = 1e-6


def log_expected_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """log E[max(0, best - f)] for f normal; broadcasts."""
    from scipy.special import erfcx, ndtr

    z = (best - mean) / deviation
    near = np.maximum(z, -1.0)
    direct = np.log(near * ndtr(near) + np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi))
    far = np.minimum(z, -1.0)
    ratio = -far * math.sqrt(math.pi / 2) * erfcx(-far / math.sqrt(2))
    # 1 - ratio loses digits far out, where it tends to 1 / z^2
    rest = np.where(far > -1e3, np.log(np.maximum(1 - ratio, 1e-300)), -2 * np.log(-far))
    tail = -0.5 * far**2 - 0.5 * math.log(2 * math.pi) + rest
    return np.where(z > -1.0, direct, tail) + np.log(deviation)


class Outlook:
    """Candidates as the model sees them, given a growing number of points whose values are yet unknown.

    Args:
        model: the fitted model.
        pool: the candidates, and all points that will be conditioned on.
        normals: standard normal draws, one row of S for each point to be conditioned on, [k, S].

    Attributes:
        mean: of the candidates by what was observed alone, [M].
        variance: given also the points conditioned on, [M].
        best: see the module.
    """

    def __init__(self, model: Surrogate, pool: Features, normals: Array) -> None:
        self._model, self._pool, self._normals = model, pool, normals
        n, k = len(model.seen), len(normals)
        self._phi = model.similarity.embed(pool)
        # Rows are candidates, columns are L^-1 k(X, candidate), to which each point conditioned on adds one
        self._V = np.empty((len(pool), n + k))
        self._V[:, :n] = model.whitened(pool, self._phi)
        V = self._V[:, :n]
        self.mean: Array = V @ model.z
        self.variance = np.maximum(model.similarity.variances(pool) - np.einsum("ij,ij->i", V, V), _LEAST)
        self._shift = np.zeros((len(pool), normals.shape[1]))
        self.best = np.full(normals.shape[1], np.inf)
        self._taken: list[int] = []
        self._corner = np.zeros((k, k))  # of the factor that the added rows and columns make

    def condition(self, at: int) -> None:
        """Takes the value of the pool's point ``at`` as known in each future; ``best`` falls to it where it is less."""
        n, k = len(self._model.seen), len(self._taken)
        own, draw = self._V[at, : n + k].copy(), self._normals[k]
        deviation = math.sqrt(float(self.variance[at]) + _JITTER)
        K = self._model.similarity.between(self._pool, self._pool[[at]], self._phi, self._phi[[at]])[:, 0]
        row = (K - self._V[:, : n + k] @ own) / deviation
        self._V[:, n + k] = row
        self._corner[k, :k], self._corner[k, k] = own[n:], deviation
        self.variance = np.maximum(self.variance - row**2, _LEAST)
        self.best = np.minimum(self.best, self.mean[at] + self._shift[at] + deviation * draw)
        self._shift += row[:, None] * draw
        self._taken.append(at)

    def promise(self, rows: int) -> Array:
        """log of the expected improvement over all futures of the pool's first candidates, [rows]."""
        return _over_futures(self.mean[:rows, None] + self._shift[:rows], self.variance[:rows], self.best)

    def promise_of(self, x: Features) -> Array:
        """The same of other points, [m]."""
        from scipy.linalg import solve_triangular

        model, n, k = self._model, len(self._model.seen), len(self._taken)
        phi = model.similarity.embed(x)
        V = model.whitened(x, phi)
        mean: Array = (V @ model.z)[:, None]
        variance = model.similarity.variances(x) - np.einsum("ij,ij->i", V, V)
        if k:
            K = model.similarity.between(x, self._pool[self._taken], phi, self._phi[self._taken])
            rest = K - V @ self._V[self._taken, :n].T
            W = solve_triangular(self._corner[:k, :k], rest.T, lower=True, check_finite=False)
            mean = mean + W.T @ self._normals[:k]
            variance = variance - np.einsum("ij,ij->j", W, W)
        return _over_futures(mean, np.maximum(variance, _LEAST), self.best)


def _over_futures(mean: Array, variance: Array, best: Array) -> Array:
    each = log_expected_improvement(mean, np.sqrt(variance)[:, None], best)
    most = each.max(1)
    promise: Array = most + np.log(np.mean(np.exp(each - most[:, None]), 1))
    return promise
