"""Computes on the host what an equation of a jaxpr makes of constants, where it is one of the
simple ones.

A constant is a NumPy scalar where all its entries are equal, whatever its shape; else an array.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from paceline.train.internals import Equation

_ENTRY_BY_ENTRY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "sqrt": np.sqrt,
}
_MOVING = (
    "convert_element_type",
    "copy",
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "stop_gradient",
)


def fold(equation: Equation, values: Sequence[Any]) -> Any:
    """The first result of an equation of these constants; None where it is not known."""
    name, out = equation.primitive.name, equation.outvars[0].aval
    if name in _ENTRY_BY_ENTRY:
        with np.errstate(all="ignore"):
            result = _ENTRY_BY_ENTRY[name](*values)
    elif name in _MOVING:
        result = values[0]
    elif name in ("reduce_sum", "reduce_prod") and out.size and not np.ndim(values[0]):
        count = equation.invars[0].aval.size // out.size
        result = values[0] * count if name == "reduce_sum" else values[0] ** count
    elif name == "reduce_prod" and out.size == 1:  # of a shape
        result = np.prod(values[0])
    else:
        return None
    if np.ndim(result) and np.shape(result) != out.shape:
        return None
    return np.asarray(result).astype(out.dtype)[()]
