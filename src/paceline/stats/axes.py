"""The cells of a hyperparameter, and orthonormal functions on them.

The analysis is on the unit cube: `Space.sample` draws all coordinates uniformly, and those of
inactive hyperparameters have no effect. Each coordinate is divided into cells: one for each value,
or `CELLS` equal ones if there are more values than that.

| symbol | meaning |
| --- | --- |
| u | coordinate in [0, 1] of a hyperparameter |
| g | cell, from 0; its length is its probability |
| phi_k | function on the cells, k = 1..K: mean 0, mean square 1, orthogonal to the others |
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paceline.core import Value
from paceline.space import Condition, Hyperparameter, Space

Array = npt.NDArray[np.float64]

CELLS = 50
# points at which values are looked up; up to this many values of equal length are exact
_FINE = 480


@dataclass(frozen=True, eq=False)
class HyperparameterAxis:
    """The cells of a hyperparameter.

    Attributes:
        name: of the hyperparameter; of variants, which share a name, their labels in the space.
        ordered: whether its values are ordered.
        lengths: of the cells, shape [G]; their sum is 1.
        values: a value for each cell, of its middle.
        conditions: for each parent, the share of each of its cells in which this hyperparameter is
            active, shape [G'].
    """

    name: str
    ordered: bool
    lengths: Array
    values: tuple[Value, ...]
    conditions: Mapping[str, Array]
    _bounds: Array

    @property
    def middles(self) -> Array:
        """Coordinates of the middles of cells, shape [G]."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths / 2)

    def cell(self, u: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """The cell of each coordinate."""
        return np.searchsorted(self._bounds, np.asarray(u, dtype=np.float64), side="right")


def axes_of(space: Space) -> dict[str, HyperparameterAxis]:
    """The axes of all hyperparameters with more than one value, by their labels in the space."""
    axes: dict[str, HyperparameterAxis] = {}
    for label, h in space.by_label.items():
        if h.num_values != 1 and _can_be_active(h, space):
            axes[label] = _axis(label, h, _conditions(h, space, axes))
    return axes


def _can_be_active(h: Hyperparameter, space: Space) -> bool:
    """Whether no parent is fixed to a value for which it is inactive."""
    return all(
        any(
            parent.admitted(condition) and _can_be_active(parent, space)
            for parent in space.variants(condition.parent)
        )
        for condition in h.conditions
    )


def region(axes: Sequence[HyperparameterAxis], places: Iterable[int]) -> list[Array]:
    """The uniform measure on each axis, restricted to where hyperparameters are active."""
    at = {axis.name: place for place, axis in enumerate(axes)}
    measures = [axis.lengths for axis in axes]
    for place in places:
        for parent, share in axes[place].conditions.items():
            here = at[parent]
            measures[here] = np.minimum(measures[here], axes[here].lengths * share)
    return measures


def basis(measure: Array, most: int) -> Array:
    """The first functions phi: polynomials that are orthonormal under a measure on cells.

    Together, all functions span the functions of the cell; the first is linear, the second
    quadratic.

    Args:
        measure: of the cells, shape [G], with sum 1; functions are 0 on cells of measure 0.
        most: maximal number of functions.

    Returns:
        Shape [G, K] with K at most the number of cells with positive measure less one.
    """
    used = np.flatnonzero(measure > 0)
    weight = np.sqrt(measure[used])
    middle = np.cumsum(measure[used]) - measure[used] / 2
    degree = max(0, min(most, len(used) - 1))
    Q, R = np.linalg.qr(np.polynomial.legendre.legvander(2 * middle - 1, degree) * weight[:, None])
    functions = np.zeros((len(measure), degree))
    functions[used] = (Q * np.sign(np.diag(R)))[:, 1:] / weight[:, None]
    return functions


def _axis(label: str, h: Hyperparameter, conditions: Mapping[str, Array]) -> HyperparameterAxis:
    if h.num_values is None:
        bounds = np.arange(1, CELLS) / CELLS
        lengths = np.full(CELLS, 1 / CELLS)
        return HyperparameterAxis(label, True, lengths, _values(h, lengths), conditions, bounds)
    at, cells = _cells(h)
    lengths = np.bincount(cells) / _FINE
    last = np.flatnonzero(np.diff(cells))
    # between the last value of a cell and the first of the next
    bounds = (at[last] + at[last + 1]) / 2
    values = _values(h, lengths)
    return HyperparameterAxis(label, h.is_ordered, lengths, values, conditions, bounds)


def _cells(h: Hyperparameter) -> tuple[Array, npt.NDArray[np.intp]]:
    """For fine points, shape [_FINE]: the coordinate of the value drawn there, and its cell."""
    fine = (np.arange(_FINE) + 0.5) / _FINE
    at = np.array([h.to_unit(h.from_unit(u)) for u in fine.tolist()])
    place, counts = np.unique(at, return_inverse=True, return_counts=True)[1:]
    if len(counts) > CELLS:  # neighbours share a cell
        middle = (np.cumsum(counts) - counts / 2) / _FINE
        place = np.unique((middle * CELLS).astype(int), return_inverse=True)[1][place]
    return at, place


def _values(h: Hyperparameter, lengths: Array) -> tuple[Value, ...]:
    middles = np.cumsum(lengths) - lengths / 2
    return tuple(h.from_unit(u) for u in middles.tolist())


def _conditions(
    h: Hyperparameter, space: Space, axes: Mapping[str, HyperparameterAxis]
) -> dict[str, Array]:
    """The conditions under which a hyperparameter is active, including those of its parents."""
    shares: dict[str, Array] = {}
    for condition in h.conditions:
        parents = [h for h in space.variants(condition.parent) if h.admitted(condition)]
        label = next((label for label, h in space.by_label.items() if h is parents[0]), "")
        if len(parents) > 1 or label not in axes:  # one of several suffices, or a single value
            continue
        own = {label: _share(parents[0], condition, axes[label])}
        for parent, share in (*own.items(), *axes[label].conditions.items()):
            shares[parent] = np.minimum(share, shares.get(parent, 1.0))
    return shares


def _share(parent: Hyperparameter, condition: Condition, axis: HyperparameterAxis) -> Array:
    """The share of each of the parent's cells that satisfies the condition."""
    fine = (np.arange(_FINE) + 0.5) / _FINE
    admitted = parent.admitted(condition)
    holds = [(value.__class__, value) in admitted for value in map(parent.from_unit, fine.tolist())]
    cells = axis.cell(fine)
    counts = np.bincount(cells, minlength=len(axis.lengths))
    return np.bincount(cells, weights=holds, minlength=len(axis.lengths)) / np.maximum(counts, 1)
