"""A Gaussian process, fitted by maximum a posteriori in float64.

| symbol | meaning |
| --- | --- |
| y | warped losses, centred and scaled, [n] |
| v | known variance of each observation, beside the inferred noise, [n] |
| w | factor of the inferred noise in each observation (1 / number of replicates), [n] |
| theta | kernel parameters, then log of the noise variance |
| D, L, z | variance of each observation's noise, [n]; Cholesky factor of K + D; L^-1 y |

Rasmussen and Williams, "Gaussian processes for machine learning" (2006), algorithm 2.1 and
equations 5.9, 5.10-5.12. The prior of the length scales is that of Hvarfner, Hellsten and Nardi,
"Vanilla Bayesian optimization performs great in high dimensions" (2024).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.kernel import (
    Features,
    Kernel,
    Rows,
    Similarity,
    matern,
    matern_slope,
    root_distances,
)

_LENGTH, _LENGTH_SD = 0.0, 1.0  # of log l, plus half of log d
_JOINT_SD = 0.7  # of log s^2, around 0
_ADDITIVE, _ADDITIVE_SD = -1.0, 1.0  # of log a^2
_NOISE, _NOISE_SD = -4.0, 1.0  # of log of the noise variance
MOST, MOST_FITTED = 400, 200
"""Maximum number of observations of a model, and of those used to fit its parameters."""
JUDGED = 20
"""Minimum number of observations for judging a model by leave-one-out."""

_STEPS = 50
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, slots=True)
class Observations:
    """The observations of a model; see the module for y, v and w."""

    x: Features
    y: Array
    v: Array
    w: Array

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Rows) -> "Observations":
        return Observations(self.x[rows], self.y[rows], self.v[rows], self.w[rows])


def prior(kernel: Kernel) -> tuple[Array, Array]:
    """Means and standard deviations of the normal priors of theta."""
    d = max(1, kernel.num_lengths)
    lengths = [(_LENGTH + 0.5 * math.log(d), _LENGTH_SD)] * kernel.num_lengths
    others = [(0.0, _JOINT_SD), (_ADDITIVE, _ADDITIVE_SD), (_NOISE, _NOISE_SD)]
    pairs = np.array([*lengths, *[(0.0, 1.0)] * kernel.num_arcs, *others])
    return pairs[:, 0], pairs[:, 1]


def start(kernel: Kernel) -> Array:
    """Initial theta: the prior's means, with length scales of half the cube's diagonal."""
    theta = prior(kernel)[0].copy()
    theta[: kernel.num_lengths] = math.log(0.5 * math.sqrt(max(1, kernel.num_lengths)))
    return theta


def fit(kernel: Kernel, seen: Observations, starts: list[Array]) -> Array:
    """theta with the highest posterior density that L-BFGS finds from the starting points."""
    from scipy.optimize import fmin_l_bfgs_b

    lowest = np.concatenate(
        [
            np.full(kernel.num_lengths, math.log(0.02)),
            np.full(kernel.num_arcs, -4.0),
            [-4.0, -9.0, -12.0],
        ]
    )
    highest = np.concatenate(
        [
            np.full(kernel.num_lengths, math.log(200.0)),
            np.full(kernel.num_arcs, 4.0),
            [4.0, 4.0, 1.0],
        ]
    )
    bounds = [(float(low), float(high)) for low, high in zip(lowest, highest, strict=True)]
    best, least = starts[0], math.inf
    for theta in starts:
        x, reached, _ = fmin_l_bfgs_b(
            energy,
            np.clip(theta, lowest, highest),
            args=(kernel, seen),
            bounds=bounds,
            maxiter=_STEPS,
            factr=1e10,
            pgtol=1e-3,
        )
        if reached < least:
            best, least = x, float(reached)
    return best


def energy(theta: Array, kernel: Kernel, seen: Observations) -> tuple[float, Array]:
    """Minus the log posterior density of theta, and its gradient."""
    from scipy.linalg import lapack

    similarity, noise = kernel.with_parameters(theta[:-1]), math.exp(theta[-1])
    phi = similarity.embed(seen.x)
    t = root_distances(phi, phi)
    joint = matern(t, similarity.joint)
    total = joint + (similarity.additive * seen.x.additive) @ seen.x.additive.T
    total[np.diag_indices_from(total)] += noise * seen.w + seen.v + _LEAST_NOISE
    factor, failed = lapack.dpotrf(total, lower=1, overwrite_a=0)
    if failed:
        return 1e10, np.zeros_like(theta)
    alpha = lapack.dpotrs(factor, seen.y, lower=1)[0]
    inverse = lapack.dpotri(factor, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    A = 0.5 * (inverse - np.outer(alpha, alpha))
    by_kernel = similarity.gradient(seen.x, phi, A, matern_slope(t, similarity.joint))
    gradient = np.append(by_kernel, noise * (np.diagonal(A) @ seen.w))
    gradient[-3] = np.einsum("ij,ij->", A, joint)
    means, spread = prior(kernel)
    off = (theta - means) / spread
    total_energy = 0.5 * seen.y @ alpha + np.log(np.diagonal(factor)).sum() + 0.5 * off @ off
    return float(total_energy), gradient + off / spread


def factor(K: Array, jitter: float) -> tuple[Array, float]:
    """Lower Cholesky factor of K + jitter, increased until it exists, and the jitter."""
    from scipy.linalg import lapack

    diagonal = np.diagonal(K).copy()
    while True:
        K[np.diag_indices_from(K)] = diagonal + jitter
        L, failed = lapack.dpotrf(K, lower=1, clean=1)
        if not failed:
            return L, jitter
        jitter *= 10


@dataclass(frozen=True)
class GaussianProcess:
    """The model with fitted parameters; see the module."""

    similarity: Similarity
    noise: float
    seen: Observations
    phi: Array
    D: Array
    L: Array
    z: Array

    @classmethod
    def of(cls, kernel: Kernel, seen: Observations, theta: Array) -> "GaussianProcess":
        """Conditions on the observations; adds jitter if the matrix is not positive definite."""
        from scipy.linalg import solve_triangular

        similarity, noise = kernel.with_parameters(theta[:-1]), math.exp(theta[-1])
        phi = similarity.embed(seen.x)
        K = similarity.between(seen.x, seen.x, phi, phi)
        D = noise * seen.w + seen.v
        K[np.diag_indices_from(K)] += D
        L, jitter = factor(K, _LEAST_NOISE)
        z = solve_triangular(L, seen.y, lower=True, check_finite=False)
        return cls(similarity, noise, seen, phi, D + jitter, L, z)

    @cached_property
    def _inverse(self) -> Array:
        """L^-1: a product with it is four times as fast as a solve."""
        from scipy.linalg import lapack

        inverse: Array = lapack.dtrtri(self.L, lower=1)[0]
        return inverse

    def whitened(self, x: Features, phi: Array | None = None) -> Array:
        """L^-1 k(X, x) as rows, shape [m, n]; ``phi`` is the embedding of x if it is known."""
        from scipy.linalg import blas

        K = self.similarity.between(x, self.seen.x, phi, self.phi)
        rows: Array = blas.dtrmm(1.0, self._inverse, K.T, lower=1, overwrite_b=1).T
        return rows

    def at(self, x: Features) -> tuple[Array, Array]:
        """Mean and variance of the noise-free value, both [m]."""
        V = self.whitened(x)
        return V @ self.z, np.maximum(
            self.similarity.variances(x) - np.einsum("ij,ij->i", V, V), 1e-12
        )

    @cached_property
    def _alpha(self) -> Array:
        """(K + D)^-1 y."""
        from scipy.linalg import solve_triangular

        alpha: Array = solve_triangular(self.L, self.z, lower=True, trans=1, check_finite=False)
        return alpha

    @cached_property
    def _precision(self) -> Array:
        """The diagonal of (K + D)^-1."""
        precision: Array = np.einsum("ij,ij->j", self._inverse, self._inverse)
        return precision

    @property
    def smoothed(self) -> Array:
        """Mean of the noise-free value of each observation, [n]: y - D (K + D)^-1 y."""
        return self.seen.y - self.D * self._alpha

    @property
    def doubt(self) -> Array:
        """Variance of `smoothed`, [n]: the diagonal of D - D (K + D)^-1 D."""
        return np.maximum(self.D - self.D**2 * self._precision, 1e-12)

    def predicts(self) -> bool:
        """Whether its leave-one-out predictions are better than a constant.

        The parameters were fitted to the same observations, which improves each by about half a
        unit.
        """
        return self.advantage() >= 0.5 * (self.similarity.kernel.num_parameters + 1) / len(
            self.seen
        )

    def advantage(self) -> float:
        """Mean leave-one-out log density of the observations, minus that of a constant normal."""
        precision, alpha = self._precision, self._alpha
        ours = -0.5 * (alpha**2 / precision - np.log(precision))
        n, y = len(self.seen), self.seen.y
        mean = (y.sum() - y) / (n - 1)
        variance = (
            np.maximum((np.sum(y**2) - y**2) / (n - 1) - mean**2, 1e-6) * n / (n - 2)
            if n > 2
            else np.ones(n)
        )
        constant = -0.5 * ((y - mean) ** 2 / variance + np.log(variance))
        return float(np.mean(ours - constant))
