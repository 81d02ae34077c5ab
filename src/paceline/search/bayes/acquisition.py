"""Expected improvement of candidates, given points whose values are not known yet.

| symbol | meaning |
| --- | --- |
| S | number of joint samples of the unknown values (fantasies) |
| M, N | number of candidates; number of points conditioned on so far |
| mu, var | noise-free mean in each sample [M, S]; its variance, equal in all of them [M] |
| best | lowest known value in each sample, [S] |

Points with unknown values (pending trials, earlier picks of the batch, and observed points that may
be the best, as their noise-free values are unknown too) are conditioned on in each of S samples.
Each adds a row to the Cholesky factor, so that a whole batch costs one triangular solve and one
matrix-vector product per pick. Expected improvement over samples: Snoek, Larochelle, Adams (2012);
noisy EI: Letham et al. (2019); log EI and its tails: Ament et al. (2023).
"""

import math

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.gaussian_process import GaussianProcess, factor
from paceline.search.bayes.kernel import Features, Rows

_LEAST = 1e-12  # variance
_JITTER = 1e-6
_FAR, _SURE = 1e3, 30.0  # standard deviations


def log_expected_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """log E[max(0, best - f)] for normal f; broadcasts.

    E / deviation is phi(z) (1 + z Phi(z) / phi(z)), and Phi(z) / phi(z) is a scaled complementary
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
    if z.min() < -_FAR:  # h has lost its digits there; it is 1 / z^2
        tail = (
            -0.5 * z**2
            - 2 * np.log(np.maximum(-z, _FAR))
            + np.log(deviation)
            - 0.5 * math.log(2 * math.pi)
        )
        promise = np.where(z < -_FAR, tail, promise)
    return promise


class FantasizedCandidates:
    """Candidates under the model, conditioned on a growing number of points with unknown values.

    Args:
        model: the fitted model.
        pool: the candidates, and all points that will be conditioned on.
        normals: standard normal draws, one row of S for each point to be conditioned on, [k, S].

    Attributes:
        mean: of the candidates, given the observations alone, [M].
        variance: of the candidates, given the points conditioned on, too, [M].
        best: see the module.
    """

    def __init__(self, model: GaussianProcess, pool: Features, normals: Array) -> None:
        self._model, self._pool, self._normals = model, pool, normals
        n, k = len(model.seen), len(normals)
        self._phi = model.similarity.embed(pool)
        # Rows are candidates, columns are L^-1 k(X, candidate); each point conditioned on adds a
        # column
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
        self._corner = np.zeros((k, k))  # the block of the factor between added points

    def condition(self, rows: Rows) -> None:
        """Conditions on the pool's points ``rows`` [b] in each sample; updates ``best``."""
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

    def log_improvement(self, rows: int) -> Array:
        """log expected improvement of the pool's first candidates, over all samples, [rows]."""
        return _over_futures(
            self.mean[:rows, None] + self._shift[:rows], self.variance[:rows], self.best
        )

    def log_improvement_of(self, x: Features) -> Array:
        """The same for other points, [m]."""
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
