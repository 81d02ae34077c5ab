"""The rule of a primitive in merged programs.

A rule has two parts. ``relate`` says how the axes of the operands and of the results are related.
``evaluate`` computes the results for padded operands: it masks padding where it would reach other
values, and says whether the padding of the results is surely zero.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from paceline.train.merging.axes import AxisTable
from paceline.train.merging.flat_step import FlatBody, FlatEquation
from paceline.train.merging.layout import Layout

Axes = tuple[int, ...]
"""The axes of a value."""

NETWORK = 1e30
"""The values of a network itself are finite, or it has diverged, and so has what they are part of.
The product of two of them may be infinite where theirs are not."""

# what users know operations as, where JAX's name is another one
_PLAIN_NAMES: Mapping[str, str] = {
    "conv_general_dilated": "the height or width of a convolution's input",
    "dynamic_slice": "a slice at a computed index",
    "dynamic_update_slice": "assigning at a computed index",
    "gather": "indexing with an array",
    "pad": "padding, or taking values at regular steps,",
    "random_bits": "a random generator other than threefry",
    "reduce_window_max": "the height or width of a pooling layer's input",
    "reduce_window_sum": "the height or width of a pooling layer's input",
    "rev": "reversing the order of values",
    "scan": "the number of steps of a loop",
    "scatter": "assigning at computed indices",
    "scatter-add": "adding at computed indices, as the gradient of indexing does,",
    "sort": "sorting",
    "slice": "taking values at regular steps",
    "select_and_scatter_add": "the height or width of a pooling layer's input",
    "top_k": "choosing the largest values",
}


@dataclass(frozen=True, slots=True)
class Site:
    """An equation, for `PrimitiveRule.relate`.

    Attributes:
        equation: the equation.
        operands: axes of the operands; ``()`` for constants.
        avals: types of the operands.
        results: axes of the results.
        table: all axes.
        relate_body: relates the axes in the body of a loop, given those of its inputs; returns
            those of its outputs.
    """

    equation: FlatEquation
    operands: Sequence[Axes]
    avals: Sequence[Any]
    results: Sequence[Axes]
    table: AxisTable
    relate_body: Callable[[FlatBody, Sequence[Axes]], list[Axes]]

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the primitive."""
        return self.equation.params

    def sizes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """The sizes of axes in the traced network."""
        return tuple(self.table.sizes[axis] for axis in axes)

    def unify(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Makes axes the same, one by one."""
        for a, b in zip(first, second, strict=True):
            self.table.unify(a, b)

    def fix(self, *axes: int) -> None:
        """Marks axes whose size this primitive does not allow to differ."""
        where = f" in {self.equation.layer}" if self.equation.layer else ""
        what = _PLAIN_NAMES.get(self.equation.name, self.equation.name)
        for axis in axes:
            self.table.fix(axis, f"{what}{where} depends on a size")

    def fix_all(self) -> None:
        """Marks all axes."""
        for axes in (*self.operands, *self.results):
            self.fix(*axes)


@dataclass(frozen=True, slots=True)
class Padded:
    """A value of a merged program.

    Attributes:
        array: in the sizes of the program.
        axes: its axes.
        is_zero: whether all padding is surely zero: of a value without padding, False, but for a
            scalar constant that is zero.
        bound: the absolute value of padding is surely at most this, infinite if nothing is known;
            `NETWORK` for copies of a network's own values. Of a value without padding, what its
            copies have.
    """

    array: Any
    axes: Axes
    is_zero: bool = False
    bound: float = math.inf

    @property
    def limit(self) -> float:
        """The largest absolute value of padding."""
        return 0.0 if self.is_zero else self.bound

    @property
    def is_finite(self) -> bool:
        """Whether padding times zero is zero, unless the network has diverged."""
        return math.isfinite(self.limit)


@dataclass(frozen=True, slots=True)
class Call:
    """An equation with ragged axes, for `PrimitiveRule.evaluate`.

    Attributes:
        equation: the equation.
        operands: values of the operands.
        results: axes of the results.
        layout: of the network.
        related: what ``relate`` returned for the equation.
        bind: evaluates the primitive, given operands and parameters that replace its own; faster
            forms of it included.
        evaluate_body: evaluates the body of a loop.
    """

    equation: FlatEquation
    operands: Sequence[Padded]
    results: Sequence[Axes]
    layout: Layout
    related: Any
    bind: Callable[..., list[Any]]
    evaluate_body: Callable[[FlatBody, Sequence[Padded]], list[Padded]]

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the primitive."""
        return self.equation.params

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first result in the program."""
        return self.layout.shape(self.results[0])

    def arrays(self) -> list[Any]:
        """The arrays of the operands."""
        return [operand.array for operand in self.operands]

    def ragged(self, axes: Sequence[int]) -> list[int]:
        """The positions of axes whose size differs."""
        return [i for i, axis in enumerate(axes) if self.layout.is_ragged(axis)]

    def result(self, array: Any, is_zero: bool = False) -> list[Padded]:
        """The only result."""
        return [Padded(array, self.results[0], is_zero)]

    def masked(self, value: Padded, along: Sequence[int] | None = None, fill: Any = 0) -> Padded:
        """A value with its padding replaced by ``fill``, along all axes or the given positions."""
        places = [i for i in self.ragged(value.axes) if along is None or i in along]
        if not places or (value.is_zero and _is_zero(fill)):
            return value
        keep: Any = None
        for place in places:
            valid = self.layout.valid(value.axes[place])
            shape = [1] * len(value.axes)
            shape[place] = valid.shape[0]
            mask = valid.reshape(shape)
            keep = mask if keep is None else keep & mask
        filled = jnp.where(keep, value.array, jnp.asarray(fill, value.array.dtype))
        is_whole = len(places) == len(self.ragged(value.axes))
        return Padded(filled, value.axes, is_whole and _is_zero(fill))


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float | bool) and value == 0


@dataclass(frozen=True, slots=True)
class PrimitiveRule:
    """A rule, see the module.

    Attributes:
        relate: relates axes; what it returns is kept for ``evaluate``.
        evaluate: evaluates the equation.
    """

    relate: Callable[[Site], Any]
    evaluate: Callable[[Call], list[Padded]]
