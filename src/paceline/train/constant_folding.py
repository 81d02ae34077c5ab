"""Evaluates simple equations of a jaxpr whose operands are constants, on the host.

A constant is a NumPy scalar if all its entries are equal, whatever its shape; else an array.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from paceline.train.internals import Equation
from paceline.train.numpy_primitives import numpy_function

# of one rounding at most, so that XLA computes the same
_EXACT = frozenset(
    "add sub mul div max min neg eq ne lt le gt ge and or not sqrt".split()  # noqa: SIM905
)
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
    function = numpy_function(name) if name in _EXACT else None
    if function is not None:
        with np.errstate(all="ignore"):
            result = function(*values)
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
