"""The private names of Keras and JAX still do what is needed of them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import keras
import numpy as np
import pytest

from paceline.train.compiler import counting
from paceline.train.internals import (
    QUICKLY,
    bind,
    compile_quickly,
    economical_initialisation,
    symbolic_build,
)


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "he_normal", "lecun_uniform", "random_normal", "truncated_normal", "orthogonal", "zeros"]
)
@pytest.mark.parametrize("shape", [(3, 5), (40, 70)])
def test_economical_initialisation_draws_what_keras_draws(name: str, shape: tuple[int, ...]) -> None:
    def weights() -> Any:
        keras.utils.set_random_seed(5)
        layer = keras.layers.Dense(shape[1], kernel_initializer=name, bias_initializer="ones")
        layer.build((None, shape[0]))
        return [np.asarray(variable.value) for variable in layer.variables]

    with economical_initialisation():
        found = weights()
    for a, b in zip(found, weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_economical_initialisation_undoes_itself() -> None:
    before = (jax.random.uniform, jax.random.normal, jax.numpy.zeros)
    with pytest.raises(RuntimeError), economical_initialisation():
        raise RuntimeError
    assert before == (jax.random.uniform, jax.random.normal, jax.numpy.zeros)


def test_economical_initialisation_is_of_one_thread_only() -> None:
    with economical_initialisation(), ThreadPoolExecutor(1) as pool:
        jaxpr = pool.submit(jax.make_jaxpr(lambda: jax.numpy.zeros(3))).result()
    assert "broadcast_in_dim" in str(jaxpr)  # an operation to be compiled, not an array made here and now


def test_economical_initialisation_leaves_what_is_traced_alone() -> None:
    def filled_and_drawn() -> Any:
        return jax.numpy.zeros(3), jax.numpy.ones((2, 2)), jax.random.uniform(jax.random.key(0), shape=(5,))

    with economical_initialisation():
        jaxpr = jax.make_jaxpr(filled_and_drawn)()
    assert str(jaxpr) == str(jax.make_jaxpr(filled_and_drawn)())


def _compiled(*, layers: tuple[int, ...]) -> int:
    """How many programs it compiled to build such a network, its optimizer's variables included."""
    with counting() as counted:
        with economical_initialisation():
            model = keras.Sequential([keras.Input((layers[0],)), *map(keras.layers.Dense, layers[1:])])
            model.compile("adam", "mse")
        symbolic_build(model, (np.ones((4, layers[0]), "float32"), np.ones((4, layers[-1]), "float32")))
    return counted.compilations


def test_new_shapes_compile_nothing_new() -> None:
    _compiled(layers=(211, 307))  # 64,777 numbers: the larger of the two small sizes
    _compiled(layers=(13, 17))
    assert _compiled(layers=(19, 23, 29, 37)) == 0
    assert _compiled(layers=(83, 89, 97)) == 0


def test_bind_evaluates_an_equation() -> None:
    closed = jax.make_jaxpr(lambda a, b: jax.lax.dot(a, b))(np.ones((2, 3), "float32"), np.ones((3, 4), "float32"))
    (out,) = bind(closed.jaxpr.eqns[-1], [np.ones((2, 3), "float32"), np.full((3, 4), 2.0, "float32")])
    np.testing.assert_array_equal(out, np.full((2, 4), 6.0))


def test_xla_knows_the_options_that_make_it_quick_and_computes_the_same() -> None:
    x = np.linspace(-2, 2, 300, dtype="float32").reshape(20, 15)
    lowered = jax.jit(lambda x: jax.nn.softmax(jax.nn.gelu(x @ x.T))).lower(x)
    as_always = lowered.compile()(x)
    np.testing.assert_allclose(lowered.compile(compiler_options=dict(QUICKLY))(x), as_always, rtol=1e-5)
    np.testing.assert_allclose(compile_quickly(lowered)(x), as_always, rtol=1e-5)


def test_where_xla_does_not_know_them_it_compiles_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.train.internals.QUICKLY", {"xla_no_such_option": 0})
    lowered = jax.jit(lambda x: x + 1).lower(np.ones(3))
    assert compile_quickly(lowered)(np.ones(3)).tolist() == [2, 2, 2]
