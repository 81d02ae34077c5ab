"""Rules of operations on each value by itself."""

from collections.abc import Callable

import jax
import numpy as np

from paceline.train.merging.bounds import bound_of
from paceline.train.merging.rule import Call, Padded, PrimitiveRule, Site

# f(0) = 0, so padding stays zero
_ZERO_AT_ZERO = [
    "neg",
    "sign",
    "abs",
    "sqrt",
    "tanh",
    "sin",
    "tan",
    "asin",
    "atan",
    "sinh",
    "asinh",
    "atanh",
    "expm1",
    "log1p",
    "square",
    "cbrt",
    "erf",
    "floor",
    "ceil",
    "round",
    "copy",
    "copy_p",
    "stop_gradient",
    "real",
    "imag",
    "convert_element_type",
    "reduce_precision",
    "integer_pow",
]
_OTHERS = [
    "exp",
    "exp2",
    "log",
    "log2",  # JAX 0.12
    "logistic",
    "rsqrt",
    "cos",
    "cosh",
    "acos",
    "acosh",
    "not",
    "is_finite",
    "erf_inv",
    "erfc",
    "lgamma",
    "digamma",
    "bitcast_convert_type",
    "population_count",
    "clz",
    "bessel_i0e",
    "bessel_i1e",
    "one_minus_square",  # JAX 0.12
]
# f(0, 0) = 0
_ZERO_AT_ZEROS = [
    "add",
    "sub",
    "and",
    "or",
    "xor",
    "add_any",
    "shift_left",
    "shift_right_logical",
    "shift_right_arithmetic",
]
# f(0, y) = 0 only for finite y, which padding need not be: only if both are zero
_BINARY = [
    "pow",
    "rem",
    "atan2",
    "nextafter",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "igamma",
    "igammac",
]


def _relate(site: Site) -> None:
    """All operands have the axes of the results, or 1; scalars apply to each value."""
    for result in site.results:
        for operand in site.operands:
            for axis, other in zip(operand, result if operand else (), strict=True):
                if site.table.sizes[axis] == site.table.sizes[other]:
                    site.table.unify(axis, other)
                else:
                    site.fix(axis)


def _evaluate(is_zero: Callable[[Call], bool]) -> Callable[[Call], list[Padded]]:
    def evaluate(call: Call) -> list[Padded]:
        (array,) = call.bind(call.arrays())
        return [Padded(array, call.results[0], is_zero(call), bound_of(call, array.dtype))]

    return evaluate


def _stays(call: Call) -> bool:
    if call.equation.name == "integer_pow" and call.params["y"] <= 0:
        return False
    return all(operand.is_zero for operand in call.operands)


def _scaled(call: Call) -> bool:
    """Of a product with a finite value, or a quotient of zero and a value that has no padding."""
    first, second = call.operands
    if call.equation.name == "mul":
        return (first.is_zero and second.is_finite) or (second.is_zero and first.is_finite)
    return first.is_zero and not call.ragged(second.axes)


def _never(_: Call) -> bool:
    return False


def _chosen(call: Call) -> bool:
    """Of a selection: whatever is chosen is zero."""
    return all(operand.is_zero for operand in call.operands[1:])


def _clamped(call: Call) -> bool:
    low, operand, high = call.operands
    return operand.is_zero and _is_at_most_zero(low) and _is_at_least_zero(high)


def _limited(call: Call) -> bool:
    """Of the maximum or minimum of zero and a value."""
    is_harmless = _is_at_most_zero if call.equation.name == "max" else _is_at_least_zero
    first, second = call.operands
    return (first.is_zero and is_harmless(second)) or (second.is_zero and is_harmless(first))


def _is_at_most_zero(value: Padded) -> bool:
    return value.is_zero or (_is_constant(value) and bool(value.array <= 0))


def _is_at_least_zero(value: Padded) -> bool:
    return value.is_zero or (_is_constant(value) and bool(value.array >= 0))


def _is_constant(value: Padded) -> bool:
    return np.ndim(value.array) == 0 and not isinstance(value.array, jax.core.Tracer)


def _relate_each(site: Site) -> None:
    """Each result is one of the operands."""
    for operand, result in zip(site.operands, site.results, strict=True):
        site.unify(operand, result)


def _each(call: Call) -> list[Padded]:
    arrays = call.bind(call.arrays())
    return [
        Padded(array, axes, operand.is_zero)
        for array, axes, operand in zip(arrays, call.results, call.operands, strict=True)
    ]


RULES = {
    **{
        name: PrimitiveRule(_relate, _evaluate(_stays))
        for name in (*_ZERO_AT_ZERO, *_ZERO_AT_ZEROS)
    },
    **{name: PrimitiveRule(_relate, _evaluate(_never)) for name in (*_OTHERS, *_BINARY)},
    **{name: PrimitiveRule(_relate, _evaluate(_scaled)) for name in ("mul", "div")},
    "select_n": PrimitiveRule(_relate, _evaluate(_chosen)),
    "clamp": PrimitiveRule(_relate, _evaluate(_clamped)),
    **{name: PrimitiveRule(_relate, _evaluate(_limited)) for name in ("max", "min")},
    "optimization_barrier": PrimitiveRule(_relate_each, _each),
}
