"""How much a candidate promises, and what is promised once others are under way.

| symbol | meaning |
| --- | --- |
| S | number of sampled futures |
| M, N | number of candidates; of points conditioned on so far |
| mu, var | mean in each future [M, S] and variance, which is the same in all [M], of the noise-free value |
| best | least value known in each future, [S] |

Points whose values are not known (pending trials, earlier picks of the batch, and the observed
points that may be the best, since their noise-free values are not known either) are conditioned on
in each of S sampled futures. Each adds a row to the Cholesky factor, so that the whole batch costs
one triangular solve and a matrix-vector product a pick: expected improvement over futures is that
of Snoek, Larochelle, Adams (2012), noisy EI that of Letham et al. (2019); log EI and its tails are
those of Ament et al. (2023).
"""

import math

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import Features, Rows
from paceline.search.bayes.surrogate import Surrogate, factor

_LEAST = 1e-12  # variance
_JITTER = 1e-6
_FAR, _SURE = 1e3, 30.0  # standard deviations


def log_expected_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """log E[max(0, best - f)] for f normal; broadcasts.

    E / deviation is phi(z) (1 + z Phi(z) / phi(z)), and Phi(z) / phi(z) a scaled complementary
    error function.
    """
    from scipy.special import erfcx

    z = (best - mean) / deviation
    within = np.clip(z, -_FAR, _SURE)
    h = erfcx(within * -math.sqrt(0.5))
    h *= within
    h *= math.sqrt(math.pi / 2)
    h += 1
    promise: Array = np.log(h)
    within *= within
    within *= 0.5
    promise -= within
    promise += np.log(deviation) - 0.5 * math.log(2 * math.pi)
    if z.max() > _SURE:
        promise = np.where(z > _SURE, np.log(np.maximum(best - mean, _SURE * deviation)), promise)
    if z.min() < -_FAR:  # where h has lost its digits, it is 1 / z^2
        tail = (
            -0.5 * z**2
            - 2 * np.log(np.maximum(-z, _FAR))
            + np.log(deviation)
            - 0.5 * math.log(2 * math.pi)
        )
        promise = np.where(z < -_FAR, tail, promise)
    return promise


class Outlook:
    """Candidates as the model sees them, given a growing number of points whose values are yet
    unknown.

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
        # Rows are candidates, columns are L^-1 k(X, candidate), to which each point conditioned on
        # adds one
        self._V = np.empty((len(pool), n + k))
        self._V[:, :n] = model.whitened(pool, self._phi)
        V = self._V[:, :n]
        self.mean: Array = V @ model.z
        self.variance = np.maximum(
            model.similarity.variances(pool) - np.einsum("ij,ij->i", V, V), _LEAST
        )
        self._shift = np.zeros((len(pool), normals.shape[1]))
        self.best = np.full(normals.shape[1], np.inf)
        self._taken: list[int] = []
        self._corner = np.zeros((k, k))  # of the factor that the added rows and columns make

    def condition(self, rows: Rows) -> None:
        """Takes the values of the pool's points ``rows`` [b] as known in each future; ``best``
        falls to the least.
        """
        from scipy.linalg import solve_triangular

        n, k, b = len(self._model.seen), len(self._taken), len(rows)
        own, draws = self._V[rows, : n + k], self._normals[k : k + b]
        K = self._model.similarity.between(self._pool, self._pool[rows], self._phi, self._phi[rows])
        rest = K - self._V[:, : n + k] @ own.T
        covariance = rest[rows]
        covariance[np.diag_indices(b)] = self.variance[rows]
        L = factor(covariance, _JITTER)[0]
        new = solve_triangular(L, rest.T, lower=True, check_finite=False)
        self._V[:, n + k : n + k + b] = new.T
        self._corner[k : k + b, :k], self._corner[k : k + b, k : k + b] = own[:, n:], L
        self.variance = np.maximum(self.variance - np.einsum("ij,ij->j", new, new), _LEAST)
        values = self.mean[rows, None] + self._shift[rows] + L @ draws
        self.best = np.minimum(self.best, values.min(axis=0))
        self._shift += new.T @ draws
        self._taken += rows.tolist()

    def promise(self, rows: int) -> Array:
        """log of the expected improvement over all futures of the pool's first candidates,
        [rows].
        """
        return _over_futures(
            self.mean[:rows, None] + self._shift[:rows], self.variance[:rows], self.best
        )

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
