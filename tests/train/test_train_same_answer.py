"""Cohorts train as `fit` does with several varying settings, and for edge cases of the data.

Kinds of layers are tested in `test_train_equality`. Tolerances: float32 sums in another order
differ by about 1e-7 per step. Layers before a batch norm have no bias: its gradient is only
rounding errors, which Adam and similar optimizers turn into full steps.
"""

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, regularizers

from paceline.testing.same_answer import Gap, SameAnswer

ROWS = 200  # does not divide by the batch size
VALIDATION = 27  # one batch, so that fit compiles one evaluation; several of them once, with SGD


def rows(
    shape: tuple[int, ...], classes: int | None, seed: int = 0, validation: int = VALIDATION
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS + validation, *shape)).astype("float32")
    if classes is None:
        y = (
            x.reshape(len(x), -1)[:, :3].sum(axis=1, keepdims=True)
            + 0.1 * rng.normal(size=(len(x), 1))
        ).astype("float32")
    else:
        y = rng.integers(0, classes, len(x)).astype("int32")
    return (x[:ROWS], y[:ROWS]), (x[ROWS:], y[ROWS:])


def gaps(
    build: Callable[..., keras.Model],
    configs: list[dict[str, Any]],
    shape: tuple[int, ...] = (6,),
    classes: int | None = 4,
    validation: int = VALIDATION,
    **options: Any,
) -> list[Gap]:
    train, held_out = rows(shape, classes, validation=validation)
    return SameAnswer(train, held_out, **options)(build, configs)


def check(found: list[Gap], weights: float = 1e-5, metrics: float = 1e-4) -> None:
    assert max(gap.weights for gap in found) < weights
    assert max(gap.metrics for gap in found) < metrics


def compiled(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, classes: bool = True
) -> keras.Model:
    loss, metrics = (
        ("sparse_categorical_crossentropy", ["accuracy"]) if classes else ("mse", ["mae"])
    )
    model.compile(optimizer, loss=loss, metrics=metrics)
    return model


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.exhaustive
def test_optimizers_with_all_hyperparameters_varied(name: str) -> None:
    def build(lr: float, l2: float, clip: float, momentum: float) -> keras.Model:
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(8, use_bias=False, kernel_regularizer=regularizers.L2(l2)),
                layers.BatchNormalization(momentum=momentum),
                layers.Activation("relu"),
                layers.Dense(4, activation="softmax"),
            ]
        )
        return compiled(model, getattr(keras.optimizers, name)(lr, clipnorm=clip))

    configs = [
        {"lr": 1e-2, "l2": 1e-3, "clip": 1.0, "momentum": 0.9},
        {"lr": 1e-3, "l2": 1e-2, "clip": 0.3, "momentum": 0.99},
    ]
    check(gaps(build, configs, validation=75 if name == "SGD" else VALIDATION))


def test_several_inputs_outputs_loss_weights_and_sample_weights() -> None:
    def build(weight: float, lr: float) -> keras.Model:
        a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
        x = layers.Dense(8, "tanh")(layers.Concatenate()([a, b]))
        outputs = {
            "kind": layers.Dense(4, "softmax", name="kind")(x),
            "size": layers.Dense(1, name="size")(x),
        }
        model = keras.Model({"a": a, "b": b}, outputs)
        model.compile(
            keras.optimizers.Adam(lr),
            loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
            loss_weights={"kind": weight, "size": 1.0},
            metrics={"kind": ["accuracy"], "size": ["mae"]},
        )
        return model

    (x, y), (xv, yv) = rows((6,), 4)
    weights = np.linspace(0.1, 2, ROWS, dtype="float32")
    train = (
        {"a": x, "b": x[:, :2]},
        {"kind": y, "size": x[:, :1]},
        {"kind": weights, "size": weights},
    )
    compare = SameAnswer(train, ({"a": xv, "b": xv[:, :2]}, {"kind": yv, "size": xv[:, :1]}))
    check(compare(build, [{"weight": 0.3, "lr": 1e-2}, {"weight": 2.0, "lr": 1e-3}]))


def test_a_batch_larger_than_the_data() -> None:
    def build(lr: float) -> keras.Model:
        return compiled(
            keras.Sequential([keras.Input((6,)), layers.Dense(4, "softmax")]),
            keras.optimizers.SGD(lr),
        )

    check(gaps(build, [{"lr": 1e-1}, {"lr": 1e-2}], batch_size=1000))


def two_layers(units: int, activation: str = "relu") -> keras.Model:
    return compiled(
        keras.Sequential(
            [keras.Input((6,)), layers.Dense(units, activation), layers.Dense(4, "softmax")]
        ),
        keras.optimizers.SGD(0.1),
    )


def test_configurations_of_different_sizes_train_in_one_program() -> None:
    check(gaps(two_layers, [{"units": 3}, {"units": 4}]))


def test_configurations_of_different_structure_are_refused() -> None:
    with pytest.raises(ValueError, match="in more than sizes"):
        gaps(two_layers, [{"units": 3}, {"units": 3, "activation": "tanh"}])


def test_keras_is_not_changed() -> None:
    def build(lr: float) -> keras.Model:
        model = keras.Sequential(
            [keras.Input((6,)), layers.Dropout(0.2), layers.Dense(4, "softmax")]
        )
        model.compile(
            "sgd",
            "sparse_categorical_crossentropy",
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )
        model.optimizer.learning_rate = lr
        return model

    def number(name: str) -> int:
        return int(name.removeprefix("dense").removeprefix("_") or 0)

    keras.utils.set_random_seed(5)
    first, drawn = layers.Dense(1).name, random.getstate()
    gaps(build, [{"lr": 0.1}])
    assert random.getstate() == drawn
    assert number(layers.Dense(1).name) == number(first) + 1
