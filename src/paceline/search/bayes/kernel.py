"""A Matern-5/2 kernel over an embedding in which each kind of hyperparameter has a distance.

    r2(x, x') = sum of (u - u')^2 / l^2                     numbers, at the middle of their cells
                       [c != c'] / l^2                      categories (Hamming), with inactive
                       2 (1 - cos(pi rho (u - u'))) / l^2   conditional numbers, both active (arc)
                       1 / l^2                              conditional numbers, one of them active

    k(x, x') = s^2 (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r)  +  a^2 (number of categories in common)

Each term of r2 is a squared Euclidean distance between points Phi, so that all of r2 is one matrix
product and the gradient of the likelihood with respect to Phi is another. The arc kernel is that of
Swersky, Duvenaud, Snoek, Hutter, Osborne, "Raiders of the lost architecture" (2014); rounding
inside the kernel is Garrido-Merchan and Hernandez-Lobato (2020).

| symbol | meaning |
| --- | --- |
| l, rho | length scale of each axis; part of a half circle that a conditional number spans, 0-1 |
| s^2, a^2 | variance of the joint part and of the additive part |
| Phi | embedded configurations, [m, p] |
| Psi | features of the additive part: one-hot columns of categories, [m, q] |
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.search.bayes.coordinates import Array, Coordinates

Rows = npt.NDArray[np.intp]

_BLOCK = 1 << 15  # numbers: 256 KiB


@dataclass(frozen=True, slots=True)
class Features:
    """The inputs of the kernel for m configurations, independent of its parameters.

    Attributes:
        plain: numbers and scaled one-hot columns, [m, p].
        arcs: coordinates of conditional numbers, 0 where inactive, [m, c].
        active: 1 where those are active, else 0, [m, c].
        additive: Psi, [m, q].
    """

    plain: Array
    arcs: Array
    active: Array
    additive: Array

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, rows: Rows | list[int]) -> "Features":
        return Features(self.plain[rows], self.arcs[rows], self.active[rows], self.additive[rows])

    def joined(self, other: "Features") -> "Features":
        """These rows, followed by the others."""
        pairs = (
            (getattr(self, name), getattr(other, name))
            for name in ("plain", "arcs", "active", "additive")
        )
        return Features(*(np.concatenate(pair) for pair in pairs))


class Kernel:
    """The kernel of a space.

    Its parameters are a vector theta: log l of each axis that varies, logit rho of each conditional
    number, log s^2, log a^2.

    Args:
        coordinates: of the space.
    """

    def __init__(self, coordinates: Coordinates) -> None:
        self._axes = [(at, axis) for at, axis in enumerate(coordinates.axes) if axis.varies]
        self.num_lengths = len(self._axes)
        self._arcs = [
            group
            for group, (_, axis) in enumerate(self._axes)
            if axis.is_conditional and not axis.is_category
        ]
        self._categories = [group for group, (_, axis) in enumerate(self._axes) if axis.is_category]
        numbers = [
            group
            for group in range(self.num_lengths)
            if group not in {*self._arcs, *self._categories}
        ]
        places = np.array([at for at, _ in self._axes], dtype=np.intp)
        self._number_columns, self._arc_columns = places[numbers], places[self._arcs]
        onehot = [[group] * self._num_categories(group) for group in self._categories]
        self._groups = np.array(
            [*numbers, *(group for groups in onehot for group in groups)], dtype=np.intp
        )
        self.num_arcs = len(self._arcs)
        self.num_parameters = self.num_lengths + self.num_arcs + 2

    def features(self, Z: Array) -> Features:
        """Features of settled coordinates [m, d]."""
        plain, additive = [Z[:, self._number_columns]], [np.empty((len(Z), 0))]
        for group in self._categories:
            at, axis = self._axes[group]
            u, num_own = Z[:, at], axis.num_levels
            here = ~np.isnan(u)
            index = np.where(here, axis.index(np.where(here, u, 0.0)), num_own)
            onehot = (index[:, None] == np.arange(self._num_categories(group))).astype(np.float64)
            plain.append(onehot * 0.5**0.5)
            additive.append(onehot[:, :num_own])
        arcs = Z[:, self._arc_columns]
        active = ~np.isnan(arcs)
        return Features(
            np.concatenate(plain, axis=1),
            np.where(active, arcs, 0.0),
            active.astype(np.float64),
            np.concatenate(additive, axis=1),
        )

    def _num_categories(self, group: int) -> int:
        """Number of categories of an axis, including inactive."""
        axis = self._axes[group][1]
        return axis.num_levels + axis.is_conditional

    def with_parameters(self, theta: Array) -> "Similarity":
        """The kernel with given parameters."""
        lengths = np.exp(theta[: self.num_lengths])
        rho = 1 / (1 + np.exp(-theta[self.num_lengths : -2]))
        return Similarity(self, lengths, rho, float(np.exp(theta[-2])), float(np.exp(theta[-1])))

    @property
    def groups(self) -> Rows:
        """Index of the length scale of each plain column."""
        return self._groups

    @property
    def arcs(self) -> list[int]:
        """Index of the length scale of each conditional number."""
        return self._arcs


@dataclass(frozen=True)
class Similarity:
    """The kernel at one set of parameters; see the module."""

    kernel: Kernel
    lengths: Array
    rho: Array
    joint: float
    additive: float

    @cached_property
    def _scale(self) -> Array:
        return 1 / self.lengths[self.kernel.groups]

    def embed(self, x: Features) -> Array:
        """Phi, shape [m, p]."""
        angle, radius = np.pi * self.rho * x.arcs, x.active / self.lengths[self.kernel.arcs]
        return np.concatenate(
            [x.plain * self._scale, radius * np.cos(angle), radius * np.sin(angle)], axis=1
        )

    def between(
        self, x: Features, y: Features, phi_x: Array | None = None, phi_y: Array | None = None
    ) -> Array:
        """Covariances, shape [len(x), len(y)]."""
        a = self.embed(x) if phi_x is None else phi_x
        b = self.embed(y) if phi_y is None else phi_y
        K = _joint(a, b, self.joint)
        if x.additive.shape[1]:
            K += (self.additive * x.additive) @ y.additive.T
        return K

    def variances(self, x: Features) -> Array:
        """Variance of each configuration, shape [m]."""
        variances: Array = self.joint + self.additive * np.einsum(
            "ij,ij->i", x.additive, x.additive
        )
        return variances

    def gradient(self, x: Features, phi: Array, A: Array, slope: Array) -> Array:
        """dL/dtheta, given A = dL/dK and slope = dk/dr2, both [m, m]."""
        kernel = self.kernel
        W = A * slope
        G = 4 * (W.sum(1)[:, None] * phi - W @ phi)  # dL/dPhi
        num_plain, num_arcs = len(kernel.groups), kernel.num_arcs
        by_length = np.zeros(kernel.num_lengths)
        np.add.at(by_length, kernel.groups, -(G[:, :num_plain] * phi[:, :num_plain]).sum(0))
        cos, sin = phi[:, num_plain : num_plain + num_arcs], phi[:, num_plain + num_arcs :]
        G_cos, G_sin = G[:, num_plain : num_plain + num_arcs], G[:, num_plain + num_arcs :]
        by_length[kernel.arcs] -= (G_cos * cos + G_sin * sin).sum(0)
        by_rho = (np.pi * x.arcs * (G_sin * cos - G_cos * sin)).sum(0) * self.rho * (1 - self.rho)
        by_additive = self.additive * np.einsum("ij,ij->", A @ x.additive, x.additive)
        gradient: Array = np.concatenate([by_length, by_rho, [0.0, by_additive]])
        return gradient


def root_distances(a: Array, b: Array) -> Array:
    """t = sqrt5 r between the rows of [m, p] and [n, p], shape [m, n]."""
    left, right = _factors(a, b)
    return _roots(left, right, np.empty((len(a), len(b))))


def _factors(a: Array, b: Array) -> tuple[Array, Array]:
    """Two matrices whose product is 5 (|a|^2 - 2 a b + |b|^2)."""
    left = np.concatenate([a, np.einsum("ij,ij->i", a, a)[:, None], np.ones((len(a), 1))], axis=1)
    right = np.concatenate(
        [-2 * b, np.ones((len(b), 1)), np.einsum("ij,ij->i", b, b)[:, None]], axis=1
    )
    return left, 5 * right.T


def _roots(left: Array, right: Array, t: Array) -> Array:
    np.dot(left, right, out=t)
    # rounding errors of 0 may be negative; np.maximum takes three times as long
    return np.sqrt(np.abs(t, out=t), out=t)


def matern(t: Array, variance: float) -> Array:
    """Matern-5/2 at t = sqrt5 r, shape kept: variance (1 + t + t^2 / 3) exp(-t)."""
    decay = np.subtract(math.log(variance), t)
    np.exp(decay, out=decay)
    k = t * (1 / 3)
    k += 1
    k *= t
    k += 1
    k *= decay
    return k


def _joint(a: Array, b: Array, variance: float) -> Array:
    """`matern` between the rows of [m, p] and [n, p], in blocks of rows that fit into the cache."""
    left, right = _factors(a, b)
    K = np.empty((len(a), len(b)))
    step = max(1, _BLOCK // max(1, len(b)))
    for first in range(0, len(a), step):
        t = K[first : first + step]
        t[:] = matern(_roots(left[first : first + step], right, t), variance)
    return K


def matern_slope(t: Array, variance: float) -> Array:
    """d matern / d r^2 at t, shape kept: -5/6 variance (1 + t) exp(-t)."""
    decay = np.subtract(math.log(5 / 6 * variance), t)
    np.exp(decay, out=decay)
    decay *= -1 - t
    return decay
