"""Random functions of arrays, whose sizes differ between networks, in merged form.

Whatever the padding becomes on the way (infinite, not a number), results are those of the function
itself, and padding is zero in the end.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax
from tests.train.merged_steps import Step

from paceline.train.merging.structure import CannotMerge

# types of values: B rows, which do not differ, U and V units
INPUTS = ["BU", "UV", "U", "V", ""]
SHAPES = [[3 if d == "B" else d for d in kind] for kind in INPUTS]
UNARY: dict[str, Any] = {
    "neg": jnp.negative,
    "exp": jnp.exp,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "root": lambda x: jnp.sqrt(jnp.abs(x)),
    "log": lambda x: jnp.log(jnp.abs(x)),
    "rsqrt": lambda x: lax.rsqrt(jnp.abs(x)),
    "reciprocal": lambda x: 1 / x,
    "square": jnp.square,
    "cube": lambda x: x**3,
    "power zero": lambda x: lax.pow(jnp.abs(x), x - x),
    "sign": jnp.sign,
    "shift": lambda x: x + 1,
    "scale": lambda x: 0.5 * x,
    "at most": lambda x: jnp.minimum(x, 0.5),
    "at most negative": lambda x: jnp.minimum(x, -0.5),
    "at least": lambda x: jnp.maximum(x, 0.25),
    "clip": lambda x: jnp.clip(x, -1, 1),
    "clip above": lambda x: jnp.clip(x, 0.5, 2),
    "positive or one": lambda x: jnp.where(x > 0, x, 1),
    "small or itself": lambda x: jnp.where(jnp.abs(x) < 0.1, 0, x),
    "is zero": lambda x: (x == 0).astype("float32"),
    "inverse error": lambda x: lax.erf_inv(jnp.tanh(x)),
    "round": jnp.round,
    "half": lambda x: x.astype("bfloat16").astype("float32"),
}
BINARY: dict[str, Any] = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": jnp.divide,
    "max": jnp.maximum,
    "larger": lambda a, b: jnp.where(a > b, a, b),
    "rem": lambda a, b: lax.rem(a, b),
    "atan2": jnp.arctan2,
}
ALONG: dict[str, Any] = {
    "sum": jnp.sum,
    "max": jnp.max,
    "min": jnp.min,
    "prod": jnp.prod,
    "mean": jnp.mean,
    "argmax": lambda x, axis: jnp.argmax(x, axis).astype("float32"),
    "argmin": lambda x, axis: jnp.argmin(x, axis).astype("float32"),
    "all": lambda x, axis: jnp.all(x > 0, axis).astype("float32"),
    "any": lambda x, axis: jnp.any(x > 0, axis).astype("float32"),
}
SAME: dict[str, Any] = {
    "softmax": jax.nn.softmax,
    "cumsum": jnp.cumsum,
    "cumulative maximum": lambda x, axis: lax.cummax(x, axis, reverse=True),
    "normalise": lambda x, axis: x / jnp.sqrt(jnp.sum(x * x, axis, keepdims=True) + 1e-3),
    "standardise": lambda x, axis: (x - jnp.mean(x, axis, keepdims=True)) / jnp.std(x, axis),
}
OPERATIONS = [
    *(("unary", name) for name in UNARY),
    *(("binary", name) for name in BINARY),
    *(("along", name) for name in ALONG),
    *(("same", name) for name in SAME if name != "standardise"),
    *[("broadcast", ""), ("product", ""), ("transpose", "")] * 3,
]
CHOICES = st.tuples(
    st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9), st.integers(0, 1)
)


def apply(values: list[tuple[str, Any]], choice: Any) -> tuple[str, Any] | None:
    """The type and the value of an operation on values so far; None if it has no operand."""
    (group, name), first, second, place = choice
    kind, x = values[-1 - first % min(len(values), 4)]  # mostly the latest ones
    same = [value for other, value in values if other == kind]
    if group == "unary":
        return kind, UNARY[name](x)
    if group == "binary":
        scalars = [value for other, value in values if other in ("", kind)]
        return kind, BINARY[name](x, scalars[second % len(scalars)] if place else same[-1])
    if group == "transpose":
        return (kind[::-1], x.T) if len(kind) == 2 else None
    if group == "product":
        fits = [(other, value) for other, value in values if kind and other[:1] == kind[-1:]]
        if not fits:
            return None
        other, value = fits[second % len(fits)]
        return kind[:-1] + other[1:], x @ value
    if group == "broadcast":
        wider = [
            other for other, _ in values if len(other) == 2 and kind in other and kind != other
        ]
        if not wider:
            return None
        chosen = wider[second % len(wider)]
        shape = next(value.shape for other, value in values if other == chosen)
        return chosen, jnp.broadcast_to(x[:, None] if chosen[0] == kind else x, shape)
    if place >= len(kind):
        return None
    if group == "along":
        return kind[:place] + kind[place + 1 :], ALONG[name](x, axis=place)
    return kind, SAME[name](x, axis=place)


def results(arrays: Any, choices: Any) -> list[Any]:
    values = list(zip(INPUTS, arrays, strict=True))
    for choice in choices:
        made = apply(values, choice)
        if made is not None:
            values.append(made)
    return [value for _, value in values[len(INPUTS) :]]


@pytest.mark.exhaustive
@settings(max_examples=25)
@given(
    st.lists(CHOICES, min_size=2, max_size=8),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 3),
)
def test_a_random_function(choices: Any, first: tuple[int, int], seed: int) -> None:
    step = Step(lambda *arrays: results(arrays, choices), SHAPES, run=lambda function: function)
    sizes = {"U": 4, "V": 2}
    arrays = step.arrays(sizes, seed)
    with np.errstate(all="ignore"):
        plain = [np.asarray(one) for one in results(arrays, choices)]
    assume(plain)
    assume(all(np.isfinite(one).all() and np.abs(one).max(initial=0) < 1e3 for one in plain))
    try:
        merged = step.merged({"U": first[0], "V": first[1]}, sizes, arrays=arrays)
    except CannotMerge:  # sizes that were equal, or 1, in the first network
        assume(False)
    assert merged.is_clean
    for one, other in zip(merged.expected, merged.found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)
