"""Orthonormal functions of a configuration: of each hyperparameter, and of each pair.

For configurations drawn uniformly from the space each function has mean 0 and mean square 1, and
the product of two has mean 0. The variance of a sum of such functions is therefore the sum of its
squared coefficients, of which each hyperparameter and each pair has a part: functional analysis of
variance, or Sobol indices (Sobol 2001; Hutter, Hoos, Leyton-Brown 2014), with polynomials as in
Sudret 2008 ("Global sensitivity analysis using polynomial chaos expansions").

Functions of a conditional hyperparameter are 0 where it is inactive and have mean 0 where it is
active: the effect of being active belongs to its parent.

| symbol | meaning |
| --- | --- |
| phi | function of an axis: mean 0 and mean square 1 where it is active |
| beta | share of the space in which all hyperparameters of a group are active |
| P | number of functions of all groups together |
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array, HyperparameterAxis, basis, region

MOST_FUNCTIONS = 8
"""Of an ordered hyperparameter; a categorical one has one less than its number of values."""

MOST_OF_PAIRS = 700
"""Of all pairs together; if there would be more, as for over 12 numbers, pairs are left out."""

_MOST_OF_PAIR = 40  # functions of a pair, which is left out if it has more
_MOST_OF_NUMBERS = 240  # functions of all ordered hyperparameters together
_MOST_DEGREE = 5  # of a product of two


@dataclass(frozen=True, eq=False)
class FunctionGroup:
    """The functions of a hyperparameter or of a pair.

    Attributes:
        places: indices of its axes, one or two.
        phi: of each axis, shape [G, K].
        picked: the function of each axis in each function of the group, shape [axes, functions].
        degrees: of those functions; 0 for a categorical axis.
        beta: see the module.
    """

    places: tuple[int, ...]
    phi: tuple[Array, ...]
    picked: npt.NDArray[np.intp]
    degrees: npt.NDArray[np.intp]
    beta: float

    @property
    def size(self) -> int:
        """Number of its functions."""
        return int(self.picked.shape[1])

    def values(self, cells: npt.NDArray[np.intp], active: npt.NDArray[np.bool_]) -> Array:
        """Values for configurations, shape [n, functions]."""
        found = np.full((len(cells), self.size), self.beta**-0.5)
        for place, phi, which in zip(self.places, self.phi, self.picked, strict=True):
            found *= phi[cells[:, place]][:, which]
        inside: npt.NDArray[np.bool_] = np.all(active[:, list(self.places)], axis=1)
        found[~inside] = 0.0
        return found


@dataclass(frozen=True, eq=False)
class BasisFunctions:
    """All functions over axes: first those of each axis, then those of pairs.

    Attributes:
        axes: one for each hyperparameter with more than one value.
        groups: in the order of their functions; pairs without functions are left out.
        of: the group of each function, shape [P].
    """

    axes: tuple[HyperparameterAxis, ...]
    groups: tuple[FunctionGroup, ...]
    of: npt.NDArray[np.intp]

    @classmethod
    def over(cls, axes: Sequence[HyperparameterAxis]) -> "BasisFunctions":
        """Creates the functions over axes."""
        groups = [_single(axes, place) for place in range(len(axes))]
        pairs = list(_pairs(axes)) if len(axes) ** 2 < MOST_OF_PAIRS else []
        if sum(pair.size for pair in pairs) <= MOST_OF_PAIRS:
            groups += pairs
        of = np.repeat(np.arange(len(groups)), [group.size for group in groups])
        return cls(tuple(axes), tuple(groups), of)

    @property
    def num_single(self) -> int:
        """Number of functions of single axes."""
        return int(np.count_nonzero(self.of < len(self.axes)))

    def values(self, cells: npt.NDArray[np.intp], active: npt.NDArray[np.bool_]) -> Array:
        """Values for configurations, given by cells and activity on each axis, shape [n, P]."""
        return np.concatenate([group.values(cells, active) for group in self.groups], axis=1)

    def draw(
        self, num: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Draws configurations uniformly: their cells and activity on each axis, [num, d] each."""
        cells = np.stack(
            [rng.choice(len(axis.lengths), num, p=axis.lengths) for axis in self.axes], 1
        )
        active = np.ones(cells.shape, dtype=bool)
        at = {axis.name: place for place, axis in enumerate(self.axes)}
        for place, axis in enumerate(self.axes):
            for parent, share in axis.conditions.items():
                active[:, place] &= rng.random(num) < share[cells[:, at[parent]]]
        return cells, active

    def means_where_active(self, place: int) -> Array:
        """The mean of each function where a hyperparameter is active, shape [P]."""
        own = region(self.axes, (place,))
        beta = float(np.prod([measure.sum() for measure in own]))
        means = []
        for group in self.groups:
            both = region(self.axes, {place, *group.places})
            part = float(np.prod([measure.sum() for measure in both])) / beta if beta else 0.0
            mean = np.full(group.size, part * group.beta**-0.5)
            for at, phi, which in zip(group.places, group.phi, group.picked, strict=True):
                measure = both[at] / max(both[at].sum(), 1e-12)
                mean *= 0.0 if at == place else (measure @ phi)[which]
            means.append(mean)
        return np.concatenate(means)


def _single(axes: Sequence[HyperparameterAxis], place: int) -> FunctionGroup:
    phi, beta = _phi(axes, (place,), max(2, min(MOST_FUNCTIONS, _MOST_OF_NUMBERS // len(axes))))
    picked = np.arange(phi[0].shape[1])[None, :]
    return FunctionGroup((place,), phi, picked, (picked + 1) * axes[place].ordered, beta)


def _pairs(axes: Sequence[HyperparameterAxis]) -> Iterator[FunctionGroup]:
    for places in combinations(range(len(axes)), 2):
        phi, beta = _phi(axes, places, _MOST_DEGREE - 1)
        picked = np.indices([functions.shape[1] for functions in phi]).reshape(2, -1)
        ordered = np.array([[axes[place].ordered] for place in places])
        low = np.where(ordered, picked + 1, 1).sum(axis=0) <= _MOST_DEGREE
        if 0 < np.count_nonzero(low) <= _MOST_OF_PAIR:
            picked = picked[:, low]
            yield FunctionGroup(places, phi, picked, (picked + 1) * ordered, beta)


def _phi(
    axes: Sequence[HyperparameterAxis], places: tuple[int, ...], most: int
) -> tuple[tuple[Array, ...], float]:
    """The functions of each of these axes where all of them are active, and beta."""
    measures = region(axes, places)
    beta = float(np.prod([measure.sum() for measure in measures]))
    phi = tuple(
        basis(
            measures[place] / max(measures[place].sum(), 1e-12),
            most if axes[place].ordered else len(axes[place].lengths),
        )
        for place in places
    )
    return phi, max(beta, 1e-12)
