"""Kinds of models, optimizers and losses that a cohort trains as one call of `fit` does, over two epochs.

Each row holds several kinds that are independent of each other. Validation is in several batches, the last one smaller.
The second of two configurations is compared, whose numbers are not those that the program was traced with.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, losses, optimizers

from paceline.testing.same_answer import SameAnswer

RNG = np.random.default_rng(0)
ROWS, HELD_OUT, SIZE = 48, 20, 16
X = RNG.normal(size=(ROWS + HELD_OUT, 6)).astype("float32")
SEQUENCES = RNG.normal(size=(ROWS + HELD_OUT, 5, 3)).astype("float32")
WORDS = np.sort(RNG.integers(0, 5, (ROWS + HELD_OUT, 5)), axis=1)[:, ::-1].astype("int32")
IMAGES = RNG.normal(size=(ROWS + HELD_OUT, 6, 6, 2)).astype("float32")
CLASSES = RNG.integers(0, 3, ROWS + HELD_OUT).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
NUMBERS = X[:, :1] + 0.1 * RNG.normal(size=(ROWS + HELD_OUT, 1)).astype("float32")


def network(optimizer: Any, loss: Any, *hidden: Any, units: int = 3, activation: str | None = "softmax") -> keras.Model:
    model = keras.Sequential([*hidden, layers.Dense(units, activation)])
    model.compile(optimizer, loss)
    return model


class Averaged(optimizers.SGD):  # type: ignore[misc]
    """Hands out the mean of all weights that it went through."""

    def build(self, variables: Any) -> None:
        if not self.built:
            super().build(variables)
            self.sums = [self.add_variable_from_reference(variable, "sum") for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        self.assign_add(self.sums[self._get_variable_index(variable)], variable)

    def finalize_variable_values(self, var_list: Any) -> None:
        for variable, total in zip(var_list, self.sums, strict=True):
            variable.assign(total / keras.ops.cast(self.iterations, "float32"))


SPARSE = "sparse_categorical_crossentropy"
KINDS: dict[str, tuple[Callable[[float], keras.Model], Any, Any]] = {
    "Adamax, no input shape": (
        lambda rate: network(optimizers.Adamax(rate), SPARSE, layers.Dense(5, "tanh")), X, CLASSES,
    ),
    "averaged weights": (
        lambda rate: network(optimizers.SGD(rate, use_ema=True, ema_momentum=0.9), SPARSE), X, CLASSES,
    ),
    "averaged weights written back": (
        lambda rate: network(
            optimizers.Adam(rate, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2), SPARSE,
        ), X, CLASSES,
    ),
    "an optimizer that averages by itself": (lambda rate: network(Averaged(rate), SPARSE), X, CLASSES),
    "loss scaling around averaged weights": (
        lambda rate: network(
            optimizers.LossScaleOptimizer(optimizers.SGD(rate, use_ema=True), initial_scale=8.0), SPARSE,
        ), X, CLASSES,
    ),
    "a sum as loss": (
        lambda rate: network(
            optimizers.SGD(rate / 20), losses.SparseCategoricalCrossentropy(reduction="sum"), layers.Dense(4, "elu"),
        ), X, CLASSES,
    ),
    "some labels are ignored": (
        lambda rate: network(optimizers.Adagrad(rate), losses.SparseCategoricalCrossentropy(ignore_class=0)),
        X, CLASSES,
    ),
    "recurrent dropout": (
        lambda rate: network(
            optimizers.SGD(rate), SPARSE, layers.GRU(3, dropout=0.3, recurrent_dropout=0.2, unroll=True),
        ), SEQUENCES, CLASSES,
    ),
    "masked embedding": (
        lambda rate: network(
            optimizers.RMSprop(rate, centered=True), SPARSE, layers.Embedding(5, 3, mask_zero=True),
            layers.GlobalAveragePooling1D(),
        ), WORDS, CLASSES,
    ),
    "convolution, pooling, batch norm, dropout": (
        lambda rate: network(
            optimizers.SGD(rate, momentum=0.9, nesterov=True), SPARSE, layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(), layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.2),
        ), IMAGES, CLASSES,
    ),
    "Lion, label smoothing, noise": (
        lambda rate: network(
            optimizers.Lion(rate / 10), losses.CategoricalCrossentropy(label_smoothing=0.1), layers.GaussianNoise(0.1),
        ), X, ONE_HOT,
    ),
    "Huber, clipped values": (
        lambda rate: network(optimizers.SGD(rate, clipvalue=0.1), "huber", units=1, activation=None), X, NUMBERS,
    ),
    "Adafactor, layer norm, mean absolute error": (
        lambda rate: network(
            optimizers.Adafactor(rate), "mae", layers.LayerNormalization(), units=1, activation=None,
        ), X, NUMBERS,
    ),
    "AdamW, bidirectional LSTM, causal convolution": (
        lambda rate: network(
            optimizers.AdamW(rate, weight_decay=0.01), SPARSE, layers.Conv1D(3, 2, padding="causal"),
            layers.Bidirectional(layers.LSTM(2, unroll=True)),
        ), SEQUENCES, CLASSES,
    ),
    "Adadelta, accumulated gradients": (
        lambda rate: network(optimizers.Adadelta(rate, gradient_accumulation_steps=2), SPARSE, layers.Dense(4)),
        X, CLASSES,
    ),
    "Ftrl, clipped by the global norm, log cosh": (
        lambda rate: network(
            optimizers.Ftrl(rate, global_clipnorm=0.5), "log_cosh", layers.Dense(4, "gelu"), units=1, activation=None,
        ), X, NUMBERS,
    ),
    "amsgrad with a schedule, divergence": (
        lambda rate: network(
            optimizers.Adam(optimizers.schedules.CosineDecay(rate, 9), amsgrad=True), "kl_divergence",
            layers.Dense(4, "swish"), layers.AlphaDropout(0.1),
        ), X, ONE_HOT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_two_epochs_are_those_of_fit(name: str) -> None:
    build, x, y = KINDS[name]
    compare = SameAnswer((x[:ROWS], y[:ROWS]), (x[ROWS:], y[ROWS:]), batch_size=SIZE, epochs=2, checked=[1])
    (gap,) = compare(build, [{"rate": 0.1}, {"rate": 0.05}])
    assert gap.alone == ""
    assert gap.weights < 1e-5
    assert gap.optimizer < 1e-5
    assert gap.metrics < 1e-5
    assert gap.score < 1e-6 * (50 if name == "a sum as loss" else 1)


@pytest.mark.parametrize("averages", [False, True])
def test_a_model_that_trains_alone_is_that_of_one_fit_and_says_why(averages: bool) -> None:
    def build(rate: float) -> keras.Model:
        model = keras.Sequential([layers.Dense(3, "softmax")])
        model.compile(optimizers.SGD(rate, use_ema=averages, ema_momentum=0.9), SPARSE, jit_compile=False)
        return model

    compare = SameAnswer((X[:ROWS], CLASSES[:ROWS]), (X[ROWS:], CLASSES[ROWS:]), batch_size=SIZE)
    (gap,) = compare(build, [{"rate": 0.1}])
    assert "jit_compile=False" in gap.alone
    assert max(gap.weights, gap.optimizer, gap.metrics, gap.score) < 1e-6
