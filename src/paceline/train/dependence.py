"""How values of a step depend on the rows of its batch, and how that carries over in sums and
products.

    FREE    not at all: weights, constants
    ROWS    it has a rows axis, and each entry along it depends on one row alone
    SUM     a sum of terms that depend on one row each
    METRIC  the old value of one of the metrics' variables plus such a sum
    RESULT  computed from such values of the metrics' variables alone
    MIXED   anything else

``degree`` says how a value grows with the batch: the mean of a loss is a SUM of degree 0, the loss
times the number of rows one of degree 1, as is the number of rows itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import jax.numpy as jnp

from paceline.train.anatomy import Step
from paceline.train.internals import Equation
from paceline.train.rowwise import Axis

UNCLEAR = -1
"""In place of an axis, of a shape that differs in another way than by the number of rows."""


class Kind(Enum):
    """How a value depends on the rows of a batch, see above."""

    FREE = auto()
    ROWS = auto()
    SUM = auto()
    METRIC = auto()
    RESULT = auto()
    MIXED = auto()


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of one value.

    Attributes:
        kind: how it depends on rows.
        degree: the power of the number of rows with which it grows.
        known: its value at each of the two sizes where constants alone decide it; a number where
            all entries are equal.
        slots: the constants which decided it.
        metric: of a METRIC, the number of the variable.
        sources: of a METRIC and a RESULT, which values of the metrics' variables they are computed
            from.
    """

    kind: Kind
    degree: int = 0
    known: tuple[Any, Any] | None = None
    slots: frozenset[int] = frozenset()
    metric: int | None = None
    sources: frozenset[int] = frozenset()


MIXED, FREE, ROWS = Value(Kind.MIXED), Value(Kind.FREE), Value(Kind.ROWS)

UNCHANGED = (
    "convert_element_type",
    "copy",
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "stop_gradient",
)
"""Primitives that may do nothing at all."""

_LINEAR = {
    "add",
    "add_any",
    "broadcast_in_dim",
    "concatenate",
    "copy",
    "convert_element_type",
    "cumsum",
    "neg",
    "pad",
    "reduce_sum",
    "reshape",
    "rev",
    "select_n",
    "slice",
    "squeeze",
    "stop_gradient",
    "sub",
    "transpose",
    "unstack",
}
_PRODUCTS = {"mul", "dot_general", "conv_general_dilated"}


def slots_of(values: Sequence[Value]) -> frozenset[int]:
    """The constants that decided some values."""
    return frozenset().union(*(value.slots for value in values))


def differing(small: Sequence[int], large: Sequence[int], sizes: tuple[int, int]) -> Axis:
    """The axis whose size differs, `UNCLEAR` where it does not count rows."""
    if len(small) != len(large):
        return UNCLEAR
    axes = [i for i, pair in enumerate(zip(small, large, strict=True)) if pair[0] != pair[1]]
    if not axes:
        return None
    of_row, rest = divmod(large[axes[0]], sizes[1])
    return (
        axes[0] if len(axes) == 1 and not rest and small[axes[0]] == of_row * sizes[0] else UNCLEAR
    )


def same_parameters(small: Step, large: Step) -> bool:
    """Whether two equations do the very same."""
    one, other = small.equation.params, large.equation.params
    return all(str(value) == str(other[name]) for name, value in one.items())


def form(atom: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and type of a variable or a literal."""
    return atom.aval.shape, atom.aval.dtype


def is_coarse(var: Any) -> bool:
    """Whether a value is of fewer than 32 bits, so that sums depend on their order well before
    float32 does.
    """
    dtype = var.aval.dtype
    return bool(jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4)


def degree_of(name: str, values: Sequence[Value]) -> int | None:
    """How the result grows with the number of rows; None where that is not known."""
    degrees = [value.degree for value in values]
    if name in _PRODUCTS:
        return sum(degrees)
    if name == "div":
        return degrees[0] - degrees[1]
    if name == "select_n" and degrees[0] == 0:
        degrees = degrees[1:]
    if not degrees or not any(degrees):
        return 0
    return degrees[0] if name in _LINEAR and len(set(degrees)) == 1 else None


def graded(kind: Kind, degree: int | None) -> Value:
    """A value of this kind, where it is known how it grows."""
    return MIXED if degree is None else Value(kind, degree)


def of_sums(equation: Equation, values: Sequence[Value]) -> Value:
    """The result of an equation some of whose operands are sums over rows: it has to be linear in
    them.
    """
    name, kinds = equation.primitive.name, [value.kind for value in values]
    linear = name in _LINEAR or (name in _PRODUCTS and kinds.count(Kind.SUM) == 1)
    linear = linear or (name == "div" and kinds[1] is Kind.FREE)
    if name == "select_n":
        linear = kinds[0] is Kind.FREE
    if name == "convert_element_type":
        linear = jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.inexact)
    return graded(Kind.SUM, degree_of(name, values)) if linear else MIXED
