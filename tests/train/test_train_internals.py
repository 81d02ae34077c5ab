"""The private names of Keras and JAX work as needed."""

import contextlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.compilation_count import count_compilations
from paceline.train.internals import (
    QUICK_COMPILE_OPTIONS,
    bind,
    compile_with,
    fast_initialization,
    symbolic_build,
)
from paceline.train.trace import trace

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "normal": keras.random.normal,
    "uniform": keras.random.uniform,
    "truncated": keras.random.truncated_normal,
    "zeros": lambda shape, dtype, seed: keras.ops.zeros(shape, dtype),
    "ones": lambda shape, dtype, seed: keras.ops.ones(shape, dtype=dtype),
    "far": lambda shape, dtype, seed: keras.random.uniform(
        shape, -3, maxval=9.5, dtype=dtype, seed=seed
    ),
    "array": lambda shape, dtype, seed: keras.random.normal(
        shape, jnp.ones(shape), np.float32(2), dtype, seed
    ),
    "jax": lambda shape, dtype, seed: jax.random.normal(jax.random.key(seed), shape, dtype),
    "jax, by name": lambda shape, dtype, seed: jax.random.truncated_normal(
        jax.random.PRNGKey(seed), lower=-1, upper=2, shape=shape, dtype=dtype
    ),
    "jax.numpy": lambda shape, dtype, seed: jnp.zeros(shape, dtype),
    "not ahead of time": lambda shape, dtype, seed: keras.random.normal(
        tuple(map(np.int64, shape)), seed=seed
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_fast_initialization_equals_keras_and_jax(name: str, dtype: str) -> None:
    for shape in ((40, 120), (0, 2), ()) if dtype == "float32" else ((3, 5),):
        expected = FUNCTIONS[name](shape, dtype=dtype, seed=5)
        with fast_initialization():
            found = FUNCTIONS[name](shape, dtype=dtype, seed=5)
        assert type(found) is type(expected)
        assert (found.dtype, found.weak_type) == (expected.dtype, expected.weak_type)
        assert (found.sharding, found.committed) == (expected.sharding, expected.committed)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


INITIALIZERS = [
    "glorot_uniform",
    "he_normal",
    "lecun_uniform",
    "random_normal",
    "truncated_normal",
    "orthogonal",
    "zeros",
]


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "float32") for name in INITIALIZERS), ("he_normal", "bfloat16")]
)
def test_fast_initialization_draws_the_weights_of_keras(name: str, dtype: str) -> None:
    def weights() -> Any:
        keras.utils.set_random_seed(5)
        layer = keras.layers.Dense(7, kernel_initializer=name, bias_initializer="ones", dtype=dtype)
        layer.build((None, 3))
        return [np.asarray(variable.value) for variable in layer.variables]

    with fast_initialization():
        found = weights()
    for a, b in zip(found, weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_wrong_arguments_raise_the_errors_of_keras() -> None:
    for with_it in (contextlib.nullcontext, fast_initialization):
        with with_it(), pytest.raises(TypeError, match="mue"):
            keras.src.backend.random.normal((2,), mue=1)
        with with_it(), pytest.raises(TypeError, match="shape"):
            keras.src.backend.numpy.zeros()
        with with_it():
            assert (
                next(iter(inspect.signature(keras.src.backend.random.normal).parameters)) == "shape"
            )


def test_custom_initializers_get_arrays() -> None:
    def own(shape: tuple[int, ...], dtype: Any = None) -> Any:
        drawn = keras.initializers.HeNormal(1)(shape, dtype) + jax.random.normal(
            jax.random.key(0), shape
        )
        return drawn.at[0].set(keras.ops.zeros(shape[1:], dtype))

    with fast_initialization():
        layer = keras.layers.Dense(2, kernel_initializer=own)
        layer.build((None, 3))
    assert layer.kernel.numpy()[0].tolist() == [0, 0]


def test_fast_initialization_is_undone() -> None:
    backend = keras.src.backend
    before = (backend.random.uniform, backend.random.normal, backend.numpy.zeros)
    with pytest.raises(RuntimeError), fast_initialization():
        raise RuntimeError
    assert before == (backend.random.uniform, backend.random.normal, backend.numpy.zeros)


def test_fast_initialization_is_local_to_a_thread() -> None:
    with fast_initialization(), ThreadPoolExecutor(1) as pool:
        jaxpr = pool.submit(jax.make_jaxpr(lambda: keras.ops.zeros((3,)))).result()
    assert "broadcast_in_dim" in str(
        jaxpr
    )  # an operation to be compiled, not an array made here and now


def test_fast_initialization_does_not_affect_traces() -> None:
    def filled_and_drawn() -> Any:
        return (
            keras.ops.zeros((3,)),
            keras.ops.ones((2, 2)),
            keras.random.uniform((5,), seed=jax.random.key(0)),
        )

    with fast_initialization():
        jaxpr = jax.make_jaxpr(filled_and_drawn)()
    assert str(jaxpr) == str(jax.make_jaxpr(filled_and_drawn)())


def _compiled(*, layers: tuple[int, ...]) -> int:
    """Number of programs compiled to build such a network with its optimizer's variables."""
    with count_compilations() as counted:
        with fast_initialization():
            model = keras.Sequential(
                [keras.Input((layers[0],)), *map(keras.layers.Dense, layers[1:])]
            )
            model.compile("adam", "mse")
        symbolic_build(
            model, (np.ones((4, layers[0]), "float32"), np.ones((4, layers[-1]), "float32"))
        )
    return counted.compilations


def test_new_shapes_compile_nothing_new() -> None:
    _compiled(layers=(211, 307))  # 64,777 numbers: the larger of the two small sizes
    _compiled(layers=(13, 17))
    assert _compiled(layers=(19, 23, 29, 37)) == 0
    assert _compiled(layers=(83, 89, 97)) == 0


def test_bind_evaluates_an_equation() -> None:
    closed = jax.make_jaxpr(lambda a, b: jax.lax.dot(a, b))(
        np.ones((2, 3), "float32"), np.ones((3, 4), "float32")
    )
    (out,) = bind(
        closed.jaxpr.eqns[-1], [np.ones((2, 3), "float32"), np.full((3, 4), 2.0, "float32")]
    )
    np.testing.assert_array_equal(out, np.full((2, 4), 6.0))


def test_quick_compilation_computes_the_same() -> None:
    x = np.linspace(-2, 2, 300, dtype="float32").reshape(20, 15)
    lowered = jax.jit(lambda x: jax.nn.softmax(jax.nn.gelu(x @ x.T))).lower(x)
    as_always = lowered.compile()(x)
    level = "xla_backend_optimization_level"
    known = lowered.compile(compiler_options={level: QUICK_COMPILE_OPTIONS[level]})
    np.testing.assert_allclose(known(x), as_always, rtol=1e-5)
    np.testing.assert_allclose(
        compile_with(lowered, QUICK_COMPILE_OPTIONS)(x), as_always, rtol=1e-5
    )


def test_unknown_options_of_xla_are_dropped() -> None:
    options = {"xla_no_such_option": 0, **QUICK_COMPILE_OPTIONS}
    lowered = jax.jit(lambda x: x + 1).lower(np.ones(3))
    assert compile_with(lowered, options)(np.ones(3)).tolist() == [2, 2, 2]


_MANY_AXES = """
import jax, jax.numpy as jnp, numpy as np
a = np.ones((1, 3, 2, 2, 8, 8, 8), "float32")
step = jax.jit(jax.vmap(lambda a, b: jnp.sum(a * b, axis=2)))
print(float(step(a, a).sum()))
"""


def test_a_single_lane_of_a_step_with_many_axes_does_not_crash() -> None:
    # jaxlib 0.10.2 does, on a CPU (jax-ml/jax issues 39257, 40412): so that version is not allowed
    done = subprocess.run(
        [sys.executable, "-c", _MANY_AXES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 3 * 2 * 2 * 8 * 8 * 8


@pytest.mark.parametrize("create", [keras.random.normal, keras.ops.zeros])
def test_weights_larger_than_the_memory_are_an_error(create: Callable[..., Any]) -> None:
    with (
        fast_initialization(),
        pytest.raises(
            MemoryError, match=r"weights of shape \(1000000, 1000000\) need 3.73e\+03 GiB"
        ),
    ):
        create((1_000_000, 1_000_000))


class _Stale(set[int]):
    """The addresses of all tensors, until it is cleared."""

    is_stale = True

    def __contains__(self, address: object) -> bool:
        return self.is_stale or super().__contains__(address)

    def clear(self) -> None:
        self.is_stale = False
        super().clear()


def test_a_trace_does_not_count_a_loss_twice_after_an_earlier_one() -> None:
    class Penalized(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1, activity_regularizer="l2")

        def call(self, x: Any) -> Any:
            self.add_loss(keras.ops.mean(x))
            return self.dense(x)

    x = np.ones((4, 2), np.float32)
    model = Penalized()
    model(x)
    model.compile("sgd", "mse")
    rows = x, x[:, :1]
    feed = ArrayFeed(TrainingData.of(rows, rows), 2)
    expected = trace(model, feed).key
    object.__setattr__(model, "_loss_ids", _Stale())  # as if addresses were used again
    assert trace(model, feed).key == expected
