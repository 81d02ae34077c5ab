"""Primitives of JAX as functions of NumPy.

Each takes the operands and the parameters of an equation, and returns the result, a list of several
results, or None for parameters that it does not know. Results may have another type of the same
kind: the caller converts them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from scipy import special

from paceline.train.numpy_contractions import (
    Function,
    convolution,
    gather,
    is_float,
    lowest,
    pad,
    product,
    scatter_add,
    to_largest,
    widened,
    windows,
)
from paceline.train.primitive_overrides.random_bits import bits_with_numpy, threefry_bits


def _power(x: Any, y: Any) -> Any:
    return np.power(x, np.asarray(y).astype(x.dtype) if x.dtype.kind == "f" else y)


def _divide(x: Any, y: Any) -> Any:
    if np.result_type(x, y).kind in "iu":  # rounds to zero
        quotient = np.floor_divide(x, y)
        return quotient + ((np.remainder(x, y) != 0) & ((x < 0) != (y < 0)))
    return np.divide(x, y)


def _in_32_bits(function: Function) -> Function:
    """A function of SciPy, which knows no types of 16 bits."""
    return lambda *values: function(*map(widened, values))


def _shift(function: Function, kind: str) -> Function:
    """A shift of integers, which are taken as signed ("int") or as unsigned ("uint")."""

    def evaluate(x: Any, y: Any) -> Any:
        x, y, bits = np.asarray(x), np.asarray(y), 8 * np.asarray(x).dtype.itemsize
        known = f"{kind}{bits}"
        is_inside = (y >= 0) & (y < bits)
        shifted = function(x.view(known), np.where(is_inside, y, bits - 1).astype(known))
        kept = is_inside | (kind == "int")  # by all but one bit, the sign is what is left
        return np.where(kept, shifted, np.zeros((), known)).view(x.dtype)

    return evaluate


def _convert(x: Any, new_dtype: Any, **_: Any) -> Any:
    if is_float(x) and np.dtype(new_dtype).kind in "iu":  # XLA rounds to zero and clips
        limits = np.iinfo(new_dtype)
        wide = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0))
        low, high = wide <= limits.min, wide >= limits.max
        inside = np.where(low | high, 0, wide).astype(new_dtype)
        return np.where(low, limits.min, np.where(high, limits.max, inside)).astype(new_dtype)
    return np.asarray(x).astype(new_dtype)


def _round(x: Any, rounding_method: Any) -> Any:
    if int(rounding_method):  # to even
        return np.round(x)
    return np.trunc(x + np.copysign(np.asarray(0.5, x.dtype), x))


_ELEMENTWISE: Mapping[str, Function] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "rem": np.fmod,
    "max": np.maximum,
    "min": np.minimum,
    "pow": _power,
    "neg": np.negative,
    "sign": np.sign,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "cbrt": np.cbrt,
    "square": np.square,
    "one_minus_square": lambda x: (1 + x) * (1 - x),
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "logistic": _in_32_bits(special.expit),
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "erf": _in_32_bits(special.erf),
    "erfc": _in_32_bits(special.erfc),
    "erf_inv": _in_32_bits(special.erfinv),
    "lgamma": _in_32_bits(special.gammaln),
    "digamma": _in_32_bits(special.psi),
    "floor": np.floor,
    "ceil": np.ceil,
    "is_finite": np.isfinite,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shift_left": _shift(np.left_shift, "uint"),
    "shift_right_logical": _shift(np.right_shift, "uint"),
    "shift_right_arithmetic": _shift(np.right_shift, "int"),
    "stop_gradient": lambda x: x,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
}


def _broadcast(x: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any) -> Any:
    own = [1] * len(shape)
    for i, place in enumerate(broadcast_dimensions):
        own[place] = np.shape(x)[i]
    return np.broadcast_to(np.reshape(x, own), shape)


def _select(which: Any, *cases: Any) -> Any:
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _iota(shape: Sequence[int], dimension: int, dtype: Any, **_: Any) -> Any:
    own = [1] * len(shape)
    own[dimension] = shape[dimension]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(own), shape)


def _slice(x: Any, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _split(x: Any, sizes: Sequence[int], axis: int) -> list[Any]:
    return list(np.split(x, np.cumsum(sizes)[:-1], axis))


def _random_bits(key: Any, bit_width: int, shape: Sequence[int]) -> Any:
    params = {"bit_width": bit_width, "shape": shape}
    if bit_width != 32 or threefry_bits(params, [key]) is None:
        return None
    return bits_with_numpy(np.asarray(jax.random.key_data(key)), shape)


def _along(function: Any) -> Function:
    """A ufunc that combines the values along axes."""
    return lambda x, axes, **_: function.reduce(widened(x), tuple(axes))


def _cumulative(function: Any) -> Function:
    def evaluate(x: Any, axis: int, reverse: bool) -> Any:
        x = np.flip(widened(x), axis) if reverse else widened(x)
        found = function.accumulate(x, axis)
        return np.flip(found, axis) if reverse else found

    return evaluate


def _bits_as(x: Any, new_dtype: Any) -> Any:
    if x.dtype.itemsize != np.dtype(new_dtype).itemsize:
        return None
    return np.ascontiguousarray(x).view(new_dtype).reshape(x.shape)


def _parts(x: Any, axis: int) -> list[Any]:
    return list(np.moveaxis(x, axis, 0))


def _without_params(function: Function) -> Function:
    return lambda *values, **_: function(*values)


_FUNCTIONS: Mapping[str, Function] = {
    **{name: _without_params(function) for name, function in _ELEMENTWISE.items()},
    "integer_pow": lambda x, y: np.power(x, y) if y >= 0 else 1 / np.power(x, -y),
    "convert_element_type": _convert,
    "bitcast_convert_type": _bits_as,
    "round": _round,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, new_sizes, dimensions=None, **_: np.reshape(
        x if dimensions is None else np.transpose(x, dimensions), new_sizes
    ),
    "squeeze": lambda x, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, dimensions: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "rev": lambda x, dimensions: np.flip(x, dimensions),
    "tile": lambda x, reps: np.tile(x, reps),
    "stack": lambda *x, axis: np.stack(x, axis),
    "unstack": _parts,
    "reduce_sum": _along(np.add),
    "reduce_prod": _along(np.multiply),
    "reduce_max": _along(np.maximum),
    "reduce_min": _along(np.minimum),
    "reduce_and": _along(np.bitwise_and),
    "reduce_or": _along(np.bitwise_or),
    "cumsum": _cumulative(np.add),
    "cumprod": _cumulative(np.multiply),
    "cummax": _cumulative(np.maximum),
    "cummin": _cumulative(np.minimum),
    "cumlogsumexp": _cumulative(np.logaddexp),
    "argmax": lambda x, axes, index_dtype: np.argmax(x, axes[0]).astype(index_dtype),
    "argmin": lambda x, axes, index_dtype: np.argmin(x, axes[0]).astype(index_dtype),
    "select_n": _select,
    "dot_general": product,
    "conv_general_dilated": convolution,
    "reduce_window_max": windows(np.max, lowest),
    "reduce_window_sum": windows(np.sum, lambda _: 0),
    "select_and_scatter_add": to_largest,
    "iota": _iota,
    "pad": pad,
    "slice": _slice,
    "split": _split,
    "gather": gather,
    "scatter-add": scatter_add,
    "concatenate": lambda *x, dimension: np.concatenate(x, dimension),
    "random_bits": _random_bits,
}


def numpy_function(name: str) -> Function | None:
    """The function of a primitive: of its operands, and its parameters by name; None if unknown."""
    return _FUNCTIONS.get(name)


def primitives() -> list[str]:
    """The names of the primitives that have one."""
    return list(_FUNCTIONS)
