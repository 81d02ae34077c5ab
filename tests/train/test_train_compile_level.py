"""How much XLA optimises a program follows from its work, and changes nothing but rounding."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import jax
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.array_program import ArrayProgram
from paceline.train.cohort import Cohort, Lane
from paceline.train.compile_level import compile_options
from paceline.train.internals import QUICK_COMPILE_OPTIONS
from paceline.train.program import lifted_constants
from paceline.train.trace import trace

LEVELS: list[Mapping[str, Any]] = [QUICK_COMPILE_OPTIONS, {}]

only_on_a_cpu = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="elsewhere programs are always optimised"
)


@only_on_a_cpu
def test_the_more_a_program_computes_the_more_it_is_optimised() -> None:
    chosen = [compile_options(200, 5000, values) for values in (1e6, 1e12)]
    assert chosen == LEVELS


@only_on_a_cpu
@given(
    st.integers(1, 5000),
    st.floats(0, 1e8),
    st.floats(0, 1e15),
    st.floats(1, 100),
    st.floats(1, 100),
)
def test_more_work_is_never_optimised_less(
    equations: int, runs: float, values: float, more: float, larger: float
) -> None:
    level = LEVELS.index(compile_options(equations, runs, values))
    assert LEVELS.index(compile_options(equations, more * runs, larger * values)) >= level


def test_at_each_level_the_weights_are_the_same() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 3), "float32"), rng.random((40, 1), "float32")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh")])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    traced = trace(model, ArrayFeed(TrainingData.of((x, y), (x, y)), 8))
    trained = []
    for epochs in (1, 10_000, None):
        program = ArrayProgram(traced, lifted_constants([traced]), epochs=epochs)
        cohort = Cohort(program.compile(1, None), None, shuffle=False)
        cohort.fill({0: Lane(traced, 1, 1)})
        for _ in cohort.advance(5):
            pass
        (logs,) = cohort.epoch_logs()
        trained.append([*cohort.state_of(0), np.array(logs.metrics["val_loss"])])
    for other in trained[1:]:
        for one, same in zip(other, trained[0], strict=True):
            np.testing.assert_allclose(one, same, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("precision", "options"), [("mixed_bfloat16", {}), (None, LEVELS[0])])
@only_on_a_cpu
def test_low_precision_is_compiled_as_in_fit(precision: str | None, options: Any) -> None:
    x = np.zeros((40, 3), "float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, dtype=precision)])
    model.compile("sgd", "mse")
    traced = trace(model, ArrayFeed(TrainingData.of((x, x[:, :1]), None), 8))
    program = ArrayProgram(traced, lifted_constants([traced]), epochs=1)
    assert program.compile_options({"train": 5}, 1) == options


# Four networks with a maximum after a normalisation, as branches of one. Where XLA computes the
# operand of a maximum again with another rounding, the gradient of the maximum is 0/0: at XLA's
# level 0 it was, for both global maxima.
_MAXIMA = """
import keras
import numpy as np
from keras import layers

from paceline.testing.same_answer import SameAnswer
from paceline.train import compile_level
from paceline.train.array_program import ArrayProgram

class Maximum(layers.Layer):
    def call(self, x):
        return keras.ops.maximum(x[..., :2], x[..., 2:])

def build():
    image = keras.Input((6, 6, 2))
    row = layers.Reshape((36, 2))(image)
    found = []
    for x, hidden, largest in [
        (image, layers.Conv2D(8, 3), layers.GlobalMaxPooling2D()),
        (image, layers.Conv2D(4, 3), layers.MaxPooling2D()),
        (row, layers.Dense(8), layers.GlobalMaxPooling1D()),
        (row, layers.Dense(4), Maximum()),
    ]:
        x = largest(layers.LayerNormalization()(hidden(x)))
        found.append(layers.Dense(1)(layers.Flatten()(x)))
    model = keras.Model(image, layers.Add()(found))
    model.compile(keras.optimizers.SGD(0.001), "mse")
    return model

rng = np.random.default_rng(0)
x, y = (rng.normal(size=(16, *shape)).astype("float32") for shape in [(6, 6, 2), (1,)])
compare = SameAnswer((x, y), batch_size=8, epochs=1)
for level in compile_level._LEVELS:
    ArrayProgram.compile_options = lambda *_: level.options
    (gap,) = compare(build, [{}])
    print(bool(gap.alone), gap.weights < 1e-5, gap.metrics < 1e-5)
"""


@only_on_a_cpu
@pytest.mark.exhaustive
def test_gradients_of_maxima_are_finite_at_every_level() -> None:
    # in a process of its own: the tests are compiled with flags that users do not have
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _MAXIMA],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False True True"] * 2
