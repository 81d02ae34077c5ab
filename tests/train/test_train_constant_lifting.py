"""Steps that differ only in constants share a program, which runs with other constants."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from paceline.train.constant_lifting import LiftedStep, lift_constants
from paceline.train.lifted_evaluation import evaluate

X = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
numbers = st.floats(-4, 4, allow_nan=False, width=32).filter(lambda v: abs(v) > 1e-3)


def lift(function: Any, *args: Any) -> LiftedStep:
    return lift_constants(jax.make_jaxpr(function)(*args))


def scaled(a: float, b: float) -> Any:
    return lambda x: jnp.tanh(x * a) + b


def looped(a: float, b: float) -> Any:
    def step(carry: Any, _: Any) -> Any:
        return lax.cond(carry.sum() > b, lambda c: c * a, lambda c: c + a, carry), carry.max() * b

    return lambda x: lax.scan(step, x, None, length=3)


def jitted(a: float, b: float) -> Any:
    return lambda x: jax.jit(lambda y: jax.nn.leaky_relu(y, a))(x) * b


def arrays(a: float, b: float) -> Any:
    values = np.array([a, b, a * b], "float32")

    def step(carry: Any, _: Any) -> Any:
        inside = jax.jit(lambda c: c * (values > 0) + values)(carry)
        return lax.cond(carry.sum() > 0, lambda c: c + values, lambda c: c * 0.5, inside), None

    return lambda x: (lax.scan(step, x, None, length=2)[0], x * values)


@pytest.mark.parametrize("family", [scaled, looped, jitted])
@settings(max_examples=10, deadline=None)
@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
def test_steps_that_differ_in_constants_share_a_program(family: Any, one: Any, other: Any) -> None:
    first, second = lift(family(*one), X), lift(family(*other), X)
    assert first.digest == second.digest
    lifted = {i: jnp.float32(value) for i, value in enumerate(second.constants)}
    found = evaluate(first.body, [X], lifted)
    expected = jax.tree.leaves(family(*other)(X))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(evaluate(first.body, [X], {}), jax.tree.leaves(family(*one)(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_steps_that_differ_in_arrays_share_a_program() -> None:
    first, second = lift(arrays(0.5, -1.5), X), lift(arrays(-2.0, 0.25), X)
    assert first.digest == second.digest
    assert first.arrays_hash != second.arrays_hash
    found = evaluate(first.body, [X], {}, arrays=dict(enumerate(second.arrays)))
    for a, b in zip(found, jax.tree.leaves(arrays(-2.0, 0.25)(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def repeated(times: int) -> Any:
    return lambda x: lax.fori_loop(0, times, lambda i, c: c * 1.5, x)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: x * 2.5, lambda x: x + 2.5),
        (lambda x: x.sum(axis=0), lambda x: x.sum(axis=1)),
        (lambda x: x[:1] * 1.5, lambda x: x[1:] * 1.5),
        (
            lambda x: x * np.array([1, 2, 3], "float32"),
            lambda x: x * np.array([[1, 2, 3]], "float32"),
        ),
        (lambda x: x[:, np.array([0, 2, 1])], lambda x: x[:, np.array([0, 1, 2])]),
        (
            lambda x: x * np.array([1, 2, np.inf], "float32"),
            lambda x: x * np.array([1, 3, np.inf], "float32"),
        ),
        (
            lambda x: x[0, 0] * np.zeros(2**18 + 1, "float32"),
            lambda x: x[0, 0] * np.ones(2**18 + 1, "float32"),
        ),
        (lambda x: x**2, lambda x: x**3),
        (lambda x: x.astype("int32"), lambda x: x.astype("int16")),
        (lambda x: (x * 1.5, x), lambda x: (x, x * 1.5)),
        (repeated(3), repeated(4)),
        (lambda x: x[:, 0] - x[:, 1] * 1.5, lambda x: x[:, 1] - x[:, 0] * 1.5),
    ],
)
def test_steps_that_differ_otherwise_have_different_programs(one: Any, other: Any) -> None:
    assert lift(one, X).digest != lift(other, X).digest


def test_the_digest_does_not_depend_on_names() -> None:
    def f(y: Any) -> Any:
        return y * 3.25 + 1

    assert lift(f, X).digest == lift(lambda x: x * 7.75 + 1, X).digest


DROPOUT = """
import jax
from paceline.train.constant_lifting import lift_constants
def drop(x, key):
    key = jax.random.fold_in(jax.random.wrap_key_data(key), 1)
    return jax.numpy.where(jax.random.bernoulli(key, 0.5, x.shape), x, 0)
shapes = [jax.ShapeDtypeStruct((2, 3), "float32"), jax.ShapeDtypeStruct((2,), "uint32")]
digest = lift_constants(jax.make_jaxpr(drop)(*shapes)).digest
"""


@pytest.mark.exhaustive
def test_the_digest_does_not_depend_on_the_process() -> None:
    """Not even with functions among the parameters, as those of a random generator."""
    names: dict[str, Any] = {}
    exec(DROPOUT, names)
    words = [sys.executable, "-c", f"{DROPOUT}\nprint(digest)"]
    other = subprocess.run(words, capture_output=True, text=True, check=True)
    assert other.stdout.split() == [names["digest"]]


def test_constants_captured_as_arrays_are_lifted() -> None:
    def captured(value: float) -> Any:
        array = jnp.asarray(value, "float32")
        return lambda x: x * array

    first, second = lift(captured(2.5), X), lift(captured(3.5), X)
    assert first.digest == second.digest
    (found,) = evaluate(
        first.body,
        [X],
        {int(np.flatnonzero(first.constants != second.constants)[0]): jnp.float32(3.5)},
    )
    np.testing.assert_allclose(found, X * 3.5, rtol=1e-6)


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (np.nan, -np.nan), (1.0, 1.0 + 2**-23)])
def test_constants_of_other_bodies_are_compared_bitwise(one: float, other: float) -> None:
    def inside(value: float) -> Any:
        return lax.composite(lambda x: jnp.copysign(x, np.float32(value)), "paceline.tests")

    assert lift(inside(one), X).digest == lift(inside(one), X).digest
    assert lift(inside(one), X).digest != lift(inside(other), X).digest
