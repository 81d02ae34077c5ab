"""How alike two configurations are: a Matern-5/2 kernel over an embedding in which every kind of hyperparameter is a
distance.

    r2(x, x') = sum of   (u - u')^2 / l^2                          numbers, at the middle of their cells
                         [c != c'] / l^2                           categories (Hamming); inactive is one of them
                         2 (1 - cos(pi rho (u - u'))) / l^2        conditional numbers, both active (arc kernel)
                         1 / l^2                                   conditional numbers, one of the two active

    k(x, x') = s^2 (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r)  +  a^2 (number of categories in common)

Each term of r2 is a squared Euclidean distance between points Phi, so that all of r2 is one matrix product and the
gradient of the likelihood with respect to Phi is another. The arc kernel is that of Swersky, Duvenaud, Snoek, Hutter,
Osborne, "Raiders of the lost architecture" (2014); rounding inside the kernel is Garrido-Merchan and Hernandez-Lobato
(2020).

| symbol | meaning |
| --- | --- |
| l, rho | length scale of each axis; how much of a half circle a conditional number spans, in (0, 1) |
| s^2, a^2 | variance of the joint part and of the additive part |
| Phi | embedded configurations, [m, p] |
| Psi | features of the additive part: one-hot columns of categories, [m, q] |
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.search.bayes.coordinates import Array, Coordinates

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Features:
    """What the kernel needs of m configurations, whatever its parameters.

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
        """These, then the others."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("plain", "arcs", "active", "additive"))
        return Features(*(np.concatenate(pair) for pair in pairs))


class Kernel:
    """The kernel over one space.

    Its parameters are a vector theta: log l of each axis that varies, logit rho of each conditional number, log s^2,
    log a^2.

    Args:
        coordinates: of the space.
    """

    def __init__(self, coordinates: Coordinates) -> None:
        self._axes = [(at, axis) for at, axis in enumerate(coordinates.axes) if axis.varies]
        self.num_lengths = len(self._axes)
        self._arcs = [
            group for group, (_, axis) in enumerate(self._axes) if axis.is_conditional and not axis.is_category
        ]
        groups: list[int] = []
        for group, (_, axis) in enumerate(self._axes):
            if axis.is_category and axis.levels is not None:
                groups += [group] * (len(axis.levels) + axis.is_conditional)
            elif group not in self._arcs:
                groups.append(group)
        self._groups = np.array(groups, dtype=np.intp)
        self.num_arcs = len(self._arcs)
        self.num_parameters = self.num_lengths + self.num_arcs + 2

    def features(self, Z: Array) -> Features:
        """Features of settled coordinates [m, d]."""
        plain, arcs, active, additive = [], [], [], []
        for group, (at, axis) in enumerate(self._axes):
            u = Z[:, at]
            here = ~np.isnan(u)
            if axis.is_category and axis.levels is not None:
                index = np.where(here, axis.index(np.where(here, u, 0.0)), len(axis.levels))
                onehot = (index[:, None] == np.arange(len(axis.levels) + axis.is_conditional)).astype(np.float64)
                plain.append(onehot * 0.5**0.5)
                additive.append(onehot[:, : len(axis.levels)])
                continue
            if group in self._arcs:
                arcs.append(np.where(here, u, 0.0))
                active.append(here.astype(np.float64))
            else:
                plain.append(u[:, None])
        return Features(
            _beside(plain, len(Z)), _stacked(arcs, len(Z)), _stacked(active, len(Z)), _beside(additive, len(Z))
        )

    def with_parameters(self, theta: Array) -> "Similarity":
        """The kernel at given parameters."""
        lengths = np.exp(theta[: self.num_lengths])
        rho = 1 / (1 + np.exp(-theta[self.num_lengths : -2]))
        return Similarity(self, lengths, rho, float(np.exp(theta[-2])), float(np.exp(theta[-1])))

    @property
    def groups(self) -> Rows:
        """Which length scale each plain column has."""
        return self._groups

    @property
    def arcs(self) -> list[int]:
        """Which length scale each conditional number has."""
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
        return np.concatenate([x.plain * self._scale, radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    def between(self, x: Features, y: Features, phi_x: Array | None = None, phi_y: Array | None = None) -> Array:
        """Covariances, shape [len(x), len(y)]."""
        a = self.embed(x) if phi_x is None else phi_x
        b = self.embed(y) if phi_y is None else phi_y
        K = matern(squared_distances(a, b))[0]
        K *= self.joint
        K += (self.additive * x.additive) @ y.additive.T
        return K

    def variances(self, x: Features) -> Array:
        """Variance of each configuration, shape [m]."""
        variances: Array = self.joint + self.additive * np.einsum("ij,ij->i", x.additive, x.additive)
        return variances

    def gradient(self, x: Features, phi: Array, A: Array, slope: Array) -> Array:
        """dL/dtheta, given A = dL/dK and slope = dk/dr2 at s = 1, both [m, m]."""
        kernel = self.kernel
        W = A * slope
        W *= self.joint
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


def squared_distances(a: Array, b: Array) -> Array:
    """Between the rows of [m, p] and [n, p], shape [m, n]."""
    r2: Array = a @ (-2 * b.T)
    r2 += np.einsum("ij,ij->i", a, a)[:, None]
    r2 += np.einsum("ij,ij->i", b, b)
    return np.maximum(r2, 0.0, out=r2)


def matern(r2: Array) -> tuple[Array, Array]:
    """Matern-5/2 at squared distances, and sqrt5 r with exp(-sqrt5 r) folded in for its slope: (k, (1 + t) exp(-t))."""
    t = np.sqrt(5 * r2)
    decay = np.exp(-t)
    first = (1 + t) * decay
    t *= t
    t *= decay
    t /= 3
    t += first
    return t, first


def _stacked(columns: list[Array], rows: int) -> Array:
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def _beside(blocks: list[Array], rows: int) -> Array:
    return np.concatenate(blocks, axis=1) if blocks else np.empty((rows, 0))
