"""How values of a step depend on the rows of its batch, and the rules for sums and products.

    FREE    no dependence: weights, constants
    ROWS    it has a row axis, and each entry along it depends on one row only
    SUM     a sum of terms that depend on one row each
    METRIC  the old value of a variable of a metric plus such a sum
    RESULT  computed from such values of variables of metrics only
    MIXED   anything else

``degree`` is the growth of a value with the batch: the mean of a loss is a SUM of degree 0; the
loss times the number of rows has degree 1, as the number of rows itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import jax.numpy as jnp

from paceline.train.constant_lifting import LiftedEquation
from paceline.train.internals import Equation
from paceline.train.rowwise import RowsAxis

UNCLEAR = -1
"""In place of an axis: the shapes differ otherwise than by the number of rows."""


class RowDependence(Enum):
    """How a value depends on the rows of a batch; see the module."""

    FREE = auto()
    ROWS = auto()
    SUM = auto()
    METRIC = auto()
    RESULT = auto()
    MIXED = auto()


@dataclass(frozen=True, slots=True)
class AbstractValue:
    """An abstract value: how a value of a step depends on rows.

    Attributes:
        kind: how it depends on rows.
        degree: the power of the number of rows with which it grows.
        known: its values for the two sizes if constants alone determine them; a scalar if all
            entries are equal.
        constants: numbers of those constants.
        metric: of a METRIC, the number of the variable.
        sources: of a METRIC and a RESULT, the values of variables of metrics from which it is
            computed.
    """

    kind: RowDependence
    degree: int = 0
    known: tuple[Any, Any] | None = None
    constants: frozenset[int] = frozenset()
    metric: int | None = None
    sources: frozenset[int] = frozenset()


MIXED, FREE, ROWS = (
    AbstractValue(RowDependence.MIXED),
    AbstractValue(RowDependence.FREE),
    AbstractValue(RowDependence.ROWS),
)

UNCHANGED = (
    "convert_element_type",
    "copy",
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "stop_gradient",
)
"""Primitives that may leave their operand unchanged."""

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


def constants_of(values: Sequence[AbstractValue]) -> frozenset[int]:
    """The constants that determine values."""
    return frozenset().union(*(value.constants for value in values))


def rows_axis(small: Sequence[int], large: Sequence[int], sizes: tuple[int, int]) -> RowsAxis:
    """The axis whose size differs; `UNCLEAR` if it does not count rows."""
    if len(small) != len(large):
        return UNCLEAR
    axes = [i for i, pair in enumerate(zip(small, large, strict=True)) if pair[0] != pair[1]]
    if not axes:
        return None
    of_row, rest = divmod(large[axes[0]], sizes[1])
    return (
        axes[0] if len(axes) == 1 and not rest and small[axes[0]] == of_row * sizes[0] else UNCLEAR
    )


def same_parameters(small: LiftedEquation, large: LiftedEquation) -> bool:
    """Whether two equations have equal parameters."""
    one, other = small.equation.params, large.equation.params
    return all(str(value) == str(other[name]) for name, value in one.items())


def shape_and_dtype(atom: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and type of a variable or a literal."""
    return atom.aval.shape, atom.aval.dtype


def is_low_precision(var: Any) -> bool:
    """Whether a value has fewer than 32 bits, so that sums depend visibly on their order."""
    dtype = var.aval.dtype
    return bool(jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4)


def degree_of(name: str, values: Sequence[AbstractValue]) -> int | None:
    """The growth of a result with the number of rows; None if it is unknown."""
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


def with_degree(kind: RowDependence, degree: int | None) -> AbstractValue:
    """A value of this kind and degree; MIXED if the degree is unknown."""
    return MIXED if degree is None else AbstractValue(kind, degree)


def linear_in_sums(equation: Equation, values: Sequence[AbstractValue]) -> AbstractValue:
    """The result of an equation with sums over rows among its operands.

    It is a sum if the equation is linear in them.
    """
    name, kinds = equation.primitive.name, [value.kind for value in values]
    linear = name in _LINEAR or (name in _PRODUCTS and kinds.count(RowDependence.SUM) == 1)
    linear = linear or (name == "div" and kinds[1] is RowDependence.FREE)
    if name == "select_n":
        linear = kinds[0] is RowDependence.FREE
    if name == "convert_element_type":
        linear = jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.inexact)
    return with_degree(RowDependence.SUM, degree_of(name, values)) if linear else MIXED
