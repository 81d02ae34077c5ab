"""Where the values of a network lie in the larger arrays of a merged program.

Symbols: an axis has the size ``n`` in a network and the size ``N >= n`` in the program. An axis of
its own has its values first and padding last. The layout of a product of axes is that of the two
axes of a table, row by row; that of a sum is one part after the other; so both have padding in
between.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from paceline.train.merging.axes import PRODUCT, AxisTable


@dataclass(frozen=True, eq=False)
class Layout:
    """The layout of one network, or of each of many under ``vmap``.

    Attributes:
        table: the axes.
        largest: the size in the program of each axis that is ragged and no product or sum.
        own: the size in the network of the same axes: int, or int32 ``()`` in a traced function.
    """

    table: AxisTable
    largest: Mapping[int, int]
    own: Mapping[int, Any]
    _found: dict[tuple[str, int], Any] = field(default_factory=dict)

    def is_ragged(self, axis: int) -> bool:
        """Whether the size differs between networks."""
        return any(part in self.largest for part in self.table.own_axes(axis))

    def size(self, axis: int) -> int:
        """The size in the program."""
        inner = self.table.composition(axis)
        root = self.table.find(axis)
        if inner is None:
            return self.largest.get(root, self.table.sizes[root])
        sizes = [self.size(part) for part in inner.parts]
        return math.prod(sizes) if inner.kind == PRODUCT else sum(sizes)

    def shape(self, axes: Sequence[int]) -> tuple[int, ...]:
        """The sizes in the program."""
        return tuple(self.size(axis) for axis in axes)

    def own_size(self, axis: int) -> Any:
        """The size in the network."""
        inner = self.table.composition(axis)
        root = self.table.find(axis)
        if inner is None:
            return self.own.get(root, self.table.sizes[root])
        sizes = [self.own_size(part) for part in inner.parts]
        total = sizes[0]
        for size in sizes[1:]:
            total = total * size if inner.kind == PRODUCT else total + size
        return total

    def valid(self, axis: int) -> Any:
        """Which places hold values of the network, bool ``(N,)``."""
        return self._once(self._find_valid, axis)

    def position(self, axis: int) -> Any:
        """The index in the network of the value at each place, int32 ``(N,)``."""
        return self._once(self._find_position, axis)

    def _once(self, find: Callable[[int], Any], axis: int) -> Any:
        """What is found for an axis, computed the first time."""
        key = find.__name__, self.table.find(axis)
        if key not in self._found:
            self._found[key] = find(key[1])
        return self._found[key]

    def _find_valid(self, root: int) -> Any:
        inner = self.table.composition(root)
        if inner is None:
            return jnp.arange(self.size(root), dtype=jnp.int32) < self.own_size(root)
        parts = [self.valid(part) for part in inner.parts]
        if inner.kind != PRODUCT:
            return jnp.concatenate(parts)
        result = parts[0]
        for part in parts[1:]:
            result = (result[:, None] & part[None, :]).reshape(-1)
        return result

    def _find_position(self, root: int) -> Any:
        inner = self.table.composition(root)
        if inner is None:
            return jnp.arange(self.size(root), dtype=jnp.int32)
        result = self.position(inner.parts[0])
        length = self.own_size(inner.parts[0])
        for part in inner.parts[1:]:
            own, size = self.position(part), self.own_size(part)
            if inner.kind == PRODUCT:
                result = (result[:, None] * size + own[None, :]).reshape(-1)
                length = length * size
            else:
                result = jnp.concatenate([result, own + length])
                length = length + size
        return result

    def prepare(self, axes: Iterable[int]) -> None:
        """Computes what is needed of axes, so that bodies of loops use it and do not compute it."""
        for axis in {self.table.find(axis) for axis in axes}:
            if self.is_ragged(axis):
                self.valid(axis)
                self.position(axis)

    def pad(self, axes: Sequence[int], array: np.ndarray) -> np.ndarray:
        """A network's array as it lies in the program, on the host; padding is zero."""
        if not any(self.is_ragged(axis) for axis in axes):
            return array
        padded = np.zeros(self.shape(axes), array.dtype)
        padded[np.ix_(*self._places(axes))] = array
        return padded

    def cut(self, axes: Sequence[int], padded: np.ndarray) -> np.ndarray:
        """The network's array of one of the program, on the host."""
        if not any(self.is_ragged(axis) for axis in axes):
            return padded
        return np.array(padded[np.ix_(*self._places(axes))])

    def _places(self, axes: Sequence[int]) -> list[np.ndarray]:
        return [_places(self, axis) for axis in axes]


def _places(layout: Layout, axis: int) -> np.ndarray:
    """The places in the program of the values of a network along an axis, on the host."""
    inner = layout.table.composition(axis)
    if inner is None:
        return np.arange(layout.own_size(axis))
    places = [_places(layout, part) for part in inner.parts]
    result, size = places[0], layout.size(inner.parts[0])
    for part, more in zip(inner.parts[1:], places[1:], strict=True):
        width = layout.size(part)
        if inner.kind == PRODUCT:
            result = (result[:, None] * width + more[None, :]).reshape(-1)
            size *= width
        else:
            result = np.concatenate([result, more + size])
            size += width
    return result
