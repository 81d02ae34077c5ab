"""Evaluates a traced step with NumPy, for a single batch.

Compiling a step takes longer than the training of a small network, and JAX compiles each operation
for each shape when it evaluates a jaxpr step by step. NumPy needs some milliseconds. Operations
without a counterpart here are evaluated by JAX.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from scipy import special

from paceline.train.constant_lifting import INLINED
from paceline.train.internals import ClosedJaxpr, Equation, Jaxpr, Literal, bind, scan_counts
from paceline.train.primitive_overrides.random_bits import bits_with_numpy

Function = Callable[..., Any]


def _power(x: Any, y: Any) -> Any:
    return np.power(x, np.asarray(y).astype(x.dtype) if x.dtype.kind == "f" else y)


_ELEMENTWISE: Mapping[str, Function] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
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
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": special.expit,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "atan2": np.arctan2,
    "erf": special.erf,
    "erfc": special.erfc,
    "erf_inv": special.erfinv,
    "lgamma": special.gammaln,
    "digamma": special.psi,
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
    "shift_left": np.left_shift,
    "shift_right_logical": np.right_shift,
    "stop_gradient": lambda x: x,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "convert_element_type": lambda x, **_: x,
    "integer_pow": lambda x, y: np.power(x, y) if y >= 0 else 1 / np.power(x, -y),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
}


def _divide(x: Any, y: Any) -> Any:
    if np.result_type(x, y).kind in "iu":
        return (np.sign(x) * np.sign(y)) * (np.abs(x) // np.maximum(np.abs(y), 1))
    return np.divide(x, y)


def _broadcast(x: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any) -> Any:
    own = [1] * len(shape)
    for i, place in enumerate(broadcast_dimensions):
        own[place] = np.shape(x)[i]
    return np.broadcast_to(np.reshape(x, own), shape)


def _select(which: Any, *cases: Any) -> Any:
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _product(x: Any, y: Any, dimension_numbers: Any, **_: Any) -> Any:
    (summed_x, summed_y), (batch_x, batch_y) = dimension_numbers
    if not batch_x:
        return np.tensordot(x, y, (tuple(summed_x), tuple(summed_y)))
    free_x = [i for i in range(x.ndim) if i not in (*summed_x, *batch_x)]
    free_y = [i for i in range(y.ndim) if i not in (*summed_y, *batch_y)]
    sizes = [[a.shape[i] for i in axes] for a, axes in ((x, batch_x), (x, free_x), (y, free_y))]
    count = int(np.prod([x.shape[i] for i in summed_x], initial=1))
    left = np.transpose(x, (*batch_x, *free_x, *summed_x)).reshape(*sizes[0], -1, count)
    right = np.transpose(y, (*batch_y, *summed_y, *free_y)).reshape(*sizes[0], count, -1)
    return (left @ right).reshape(*sizes[0], *sizes[1], *sizes[2])


def _iota(shape: Sequence[int], dimension: int, dtype: Any, **_: Any) -> Any:
    own = [1] * len(shape)
    own[dimension] = shape[dimension]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(own), shape)


def _pad(x: Any, value: Any, padding_config: Any) -> Any:
    cut = tuple(
        slice(max(-low, 0), n - max(-high, 0))
        for n, (low, high, _) in zip(x.shape, padding_config, strict=True)
    )
    if any(inside and (low < 0 or high < 0) for low, high, inside in padding_config):
        return None
    x = x[cut]
    padding_config = [(max(low, 0), max(high, 0), inside) for low, high, inside in padding_config]
    shape = [
        low + high + n + max(n - 1, 0) * inside
        for n, (low, high, inside) in zip(x.shape, padding_config, strict=True)
    ]
    result = np.full(shape, value, x.dtype)
    places = tuple(
        slice(low, low + n + max(n - 1, 0) * inside, inside + 1)
        for n, (low, _, inside) in zip(x.shape, padding_config, strict=True)
    )
    result[places] = x
    return result


def _convolution(
    x: Any,
    kernel: Any,
    dimension_numbers: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    feature_group_count: int,
    batch_group_count: int,
    **_: Any,
) -> Any:
    """A sum of products, one for each place of the kernel; None for groups."""
    if feature_group_count != 1 or batch_group_count != 1:
        return None
    image, weights = (
        np.transpose(x, dimension_numbers.lhs_spec),
        np.transpose(kernel, dimension_numbers.rhs_spec),
    )
    config = [(low, high, n - 1) for (low, high), n in zip(padding, lhs_dilation, strict=True)]
    image = _pad(image, 0, [(0, 0, 0), (0, 0, 0), *config])
    if image is None:
        return None
    sizes = [
        (n - step * (k - 1) - 1) // stride + 1
        for n, k, step, stride in zip(
            image.shape[2:], weights.shape[2:], rhs_dilation, window_strides, strict=True
        )
    ]
    result = np.zeros((weights.shape[0], image.shape[0], *sizes), np.result_type(x, kernel))
    for place in np.ndindex(*weights.shape[2:]):
        window = tuple(
            slice(i * step, i * step + stride * (n - 1) + 1, stride)
            for i, step, stride, n in zip(place, rhs_dilation, window_strides, sizes, strict=True)
        )
        result += np.tensordot(
            weights[(..., *place)], image[(slice(None), slice(None), *window)], (1, 1)
        )
    back = np.argsort(dimension_numbers.out_spec)
    return np.transpose(np.swapaxes(result, 0, 1), back)


def _windows(reduce: Function, empty: float) -> Function:
    """A reduction of windows of an array."""

    def evaluate(
        x: Any, window_dimensions: Any, window_strides: Any, padding: Any, **others: Any
    ) -> Any:
        dilations = (*others.get("base_dilation", ()), *others.get("window_dilation", ()))
        if any(n != 1 for n in dilations):
            return None
        filled = _pad(x, empty, [(low, high, 0) for low, high in padding])
        views = np.lib.stride_tricks.sliding_window_view(filled, window_dimensions)
        views = views[tuple(slice(None, None, step) for step in window_strides)]
        return reduce(views, tuple(range(x.ndim, 2 * x.ndim)))

    return evaluate


def _slice(x: Any, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _split(x: Any, sizes: Sequence[int], axis: int) -> list[Any]:
    return list(np.split(x, np.cumsum(sizes)[:-1], axis))


def _random_bits(key: Any, bit_width: int, shape: Sequence[int]) -> Any:
    del bit_width  # 32
    return bits_with_numpy(np.asarray(jax.random.key_data(key)), shape)


_FUNCTIONS: Mapping[str, Function] = {
    "div": _divide,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, new_sizes, **_: np.reshape(x, new_sizes),
    "squeeze": lambda x, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, dimensions: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "rev": lambda x, dimensions: np.flip(x, dimensions),
    "reduce_sum": lambda x, axes, **_: np.sum(x, tuple(axes)),
    "reduce_prod": lambda x, axes, **_: np.prod(x, tuple(axes)),
    "reduce_max": lambda x, axes, **_: np.max(x, tuple(axes)),
    "reduce_min": lambda x, axes, **_: np.min(x, tuple(axes)),
    "reduce_and": lambda x, axes, **_: np.all(x, tuple(axes)),
    "reduce_or": lambda x, axes, **_: np.any(x, tuple(axes)),
    "argmax": lambda x, axes, index_dtype: np.argmax(x, axes[0]).astype(index_dtype),
    "argmin": lambda x, axes, index_dtype: np.argmin(x, axes[0]).astype(index_dtype),
    "select_n": _select,
    "dot_general": _product,
    "conv_general_dilated": _convolution,
    "reduce_window_max": _windows(np.max, -np.inf),
    "reduce_window_sum": _windows(np.sum, 0),
    "iota": _iota,
    "pad": _pad,
    "slice": _slice,
    "split": _split,
    "concatenate": lambda *x, dimension: np.concatenate(x, dimension),
}


def evaluate_with_numpy(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """The outputs of a jaxpr.

    Args:
        closed: the jaxpr.
        args: an array for each input.
    """
    with np.errstate(all="ignore"):
        return _evaluate(closed.jaxpr, closed.consts, args)


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    env: dict[Any, Any] = dict(
        zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True)
    )

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for equation in jaxpr.eqns:
        results = _equation(equation, [_on_host(read(atom)) for atom in equation.invars])
        for variable, value in zip(equation.outvars, results, strict=True):
            env[variable] = _typed(value, variable.aval)
    return [read(atom) for atom in jaxpr.outvars]


def _equation(equation: Equation, values: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    bodies = [one for _, one in sorted(params.items()) if isinstance(one, ClosedJaxpr)]
    if name in INLINED and len(bodies) == 1:
        return _evaluate(bodies[0].jaxpr, bodies[0].consts, values)
    if name in _LOOPS:
        return _LOOPS[name](params, values)
    if name == "random_bits" and params["bit_width"] == 32 and np.shape(values[0]) == ():
        return [_random_bits(values[0], params["bit_width"], params["shape"])]
    if name in _ELEMENTWISE:
        kept = {key: value for key, value in params.items() if key in ("y",)}
        return [_ELEMENTWISE[name](*values, **kept)]
    if name in _FUNCTIONS:
        found = _FUNCTIONS[name](*values, **params)
        if found is not None:
            return found if isinstance(found, list) else [found]
    return bind(equation, values)


def _scan(params: Mapping[str, Any], values: list[Any]) -> list[Any]:
    num_consts, num_carry = scan_counts(params)
    consts, carry = values[:num_consts], values[num_consts : num_consts + num_carry]
    sequences, body = values[num_consts + num_carry :], params["jaxpr"]
    order = range(params["length"])
    stacked: list[list[Any]] = []
    for i in reversed(order) if params["reverse"] else order:
        outs = _evaluate(body.jaxpr, body.consts, [*consts, *carry, *(s[i] for s in sequences)])
        carry = outs[:num_carry]
        stacked.append(outs[num_carry:])
    rows = stacked[::-1] if params["reverse"] else stacked
    return [*carry, *(np.stack(column) for column in zip(*rows, strict=True))]


def _while(params: Mapping[str, Any], values: list[Any]) -> list[Any]:
    first = params["cond_nconsts"]
    second = first + params["body_nconsts"]
    condition, body, carry = params["cond_jaxpr"], params["body_jaxpr"], values[second:]
    while _evaluate(condition.jaxpr, condition.consts, [*values[:first], *carry])[0]:
        carry = _evaluate(body.jaxpr, body.consts, [*values[first:second], *carry])
    return carry


def _cond(params: Mapping[str, Any], values: list[Any]) -> list[Any]:
    branches = params["branches"]
    chosen = branches[int(np.clip(values[0], 0, len(branches) - 1))]
    return _evaluate(chosen.jaxpr, chosen.consts, values[1:])


_LOOPS: Mapping[str, Callable[[Mapping[str, Any], list[Any]], list[Any]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}


def _on_host(value: Any) -> Any:
    """As a NumPy array, unless it is a random key."""
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    return np.asarray(value)


def _typed(value: Any, aval: Any) -> Any:
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    return np.asarray(value, aval.dtype)
