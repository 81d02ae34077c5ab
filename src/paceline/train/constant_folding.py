"""Evaluates simple equations of a jaxpr whose operands are constants, on the host.

A constant is a NumPy scalar if all its entries are equal, whatever its shape; else an array.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from paceline.train.internals import Equation

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
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
_UNCHANGED = (
    "convert_element_type",
    "copy",
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "stop_gradient",
)


def fold(equation: Equation, values: Sequence[Any]) -> Any:
    """The first result of an equation of constants; None if it is unknown."""
    name, out = equation.primitive.name, equation.outvars[0].aval
    if name in _ELEMENTWISE:
        with np.errstate(all="ignore"):
            result = _ELEMENTWISE[name](*values)
    elif name in _UNCHANGED:
        result = values[0]
    elif name in ("reduce_sum", "reduce_prod") and out.size and not np.ndim(values[0]):
        count = equation.invars[0].aval.size // out.size
        result = values[0] * count if name == "reduce_sum" else values[0] ** count
    elif name == "reduce_prod" and out.size == 1:  # of the sizes of axes
        result = np.prod(values[0])
    else:
        return None
    if np.ndim(result) and np.shape(result) != out.shape:
        return None
    return np.asarray(result).astype(out.dtype)[()]
