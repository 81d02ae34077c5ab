"""How large padding may become under operations on each value by itself.

A product with padding that is zero is zero only if the other factor is finite there. Bounds are of
the real numbers; those that come near the largest number of a type are infinite.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from paceline.train.merging.rule import NETWORK, Call

_SAME = ("neg", "abs", "copy", "copy_p", "stop_gradient", "real", "imag")
_ROUNDED = ("floor", "ceil", "round", "max", "min", "clamp")
_AT_MOST_ONE = ("tanh", "erf", "logistic", "sin", "cos", "sign")

_BOUNDS: Mapping[str, Callable[..., float]] = {
    **dict.fromkeys(_SAME, lambda a: a),
    **dict.fromkeys(_ROUNDED, lambda *limits: max(limits) + 1),
    **dict.fromkeys(_AT_MOST_ONE, lambda a: 1.0 if math.isfinite(a) else math.inf),
    "erfc": lambda a: 2.0 if math.isfinite(a) else math.inf,
    "exp": lambda a: math.exp(a) if a < 50 else math.inf,
    "expm1": lambda a: math.exp(a) + 1 if a < 50 else math.inf,
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a + b,
    "mul": lambda a, b: a * b if math.isfinite(a) and math.isfinite(b) else math.inf,
    "square": lambda a: a * a,
    "one_minus_square": lambda a: (1 + a) * (1 + a),
}
_TRUTHS = ("eq", "ne", "lt", "le", "gt", "ge", "not", "and", "or", "is_finite")


def bound_of(call: Call, dtype: Any) -> float:
    """The bound of the padding of an operation's result, whose type is ``dtype``."""
    name = call.equation.name
    limits = [operand.limit for operand in call.operands]
    if dtype == jnp.bool_:
        return 1.0 if name in _TRUTHS else math.inf
    if not jnp.issubdtype(dtype, jnp.floating):
        return math.inf
    bound = math.inf
    if name == "convert_element_type":
        bound = _converted(call, limits[0])
    elif name == "select_n":
        # padding may select a value of the network that the network itself leaves out
        bound = max(limits[1:]) if max(limits[1:]) < NETWORK else math.inf
    elif name in _BOUNDS:
        bound = _BOUNDS[name](*limits)
    largest = float(jnp.finfo(dtype).max)  # type: ignore[no-untyped-call]
    return bound if bound < largest / 1e3 else math.inf


def _converted(call: Call, limit: float) -> float:
    given = jnp.result_type(call.operands[0].array)
    if given == jnp.bool_:
        return 1.0
    return 2.0**64 if jnp.issubdtype(given, jnp.integer) else limit
