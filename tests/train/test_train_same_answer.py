"""Promise one: a lane ends with the weights and logs that `fit` gives the same network on the same batches.

Tolerances: float32 sums in another order differ by about 1e-7 a step. Layers before a batch norm have no bias: its
gradient is rounding errors only, which Adam and its like turn into whole steps.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops, regularizers

from paceline.testing.same_answer import Gap, SameAnswer

ROWS = 200  # does not divide by the batch size
VALIDATION = 27  # one batch, so that fit compiles one evaluation; several of them once, with SGD


def rows(
    shape: tuple[int, ...], classes: int | None, seed: int = 0, validation: int = VALIDATION
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS + validation, *shape)).astype("float32")
    if classes is None:
        y = (x.reshape(len(x), -1)[:, :3].sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(len(x), 1))).astype(
            "float32"
        )
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


def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer, classes: bool = True) -> keras.Model:
    loss, metrics = ("sparse_categorical_crossentropy", ["accuracy"]) if classes else ("mse", ["mae"])
    model.compile(optimizer, loss=loss, metrics=metrics)
    return model


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion"])
def test_optimizers_with_everything_that_may_vary(name: str) -> None:
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


def test_dropout_noise_and_label_smoothing_draw_the_same_numbers() -> None:
    def build(rate: float, noise: float, smoothing: float) -> keras.Model:
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.GaussianNoise(noise),
                layers.Dense(8, "elu"),
                layers.Dropout(rate),
                layers.Dense(4, "softmax"),
            ]
        )
        model.compile(
            keras.optimizers.SGD(0.05),
            keras.losses.CategoricalCrossentropy(label_smoothing=smoothing),
            metrics=["accuracy"],
        )
        return model

    (x, y), (xv, yv) = rows((6,), 4)
    compare = SameAnswer((x, np.eye(4, dtype="float32")[y]), (xv, np.eye(4, dtype="float32")[yv]), epochs=2)
    check(
        compare(build, [{"rate": 0.1, "noise": 0.1, "smoothing": 0.1}, {"rate": 0.5, "noise": 0.01, "smoothing": 0.2}])
    )


def test_regression_with_a_schedule_and_varying_beta() -> None:
    def build(lr: float, beta: float, steps: int) -> keras.Model:
        schedule = keras.optimizers.schedules.CosineDecay(lr, steps)
        model = keras.Sequential(
            [keras.Input((6,)), layers.Dense(8), layers.LeakyReLU(negative_slope=beta / 3), layers.Dense(1)]
        )
        return compiled(model, keras.optimizers.Adam(schedule, beta_1=beta), classes=False)

    check(
        gaps(
            build,
            [{"lr": 1e-2, "beta": 0.9, "steps": 10}, {"lr": 3e-3, "beta": 0.5, "steps": 30}],
            classes=None,
            epochs=2,
        )
    )


def test_convolutions_and_pooling() -> None:
    def build(lr: float, rate: float) -> keras.Model:
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Conv2D(4, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(6, 3, activation="relu"),
                layers.AveragePooling2D(2),
                layers.Flatten(),
                layers.Dropout(rate),
                layers.Dense(4, activation="softmax"),
            ]
        )
        return compiled(model, keras.optimizers.Adam(lr))

    check(gaps(build, [{"lr": 1e-2, "rate": 0.2}, {"lr": 1e-3, "rate": 0.4}], shape=(8, 8, 1)))


def test_recurrent_and_one_dimensional_convolution() -> None:
    def build(lr: float, l2: float) -> keras.Model:
        model = keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.Conv1D(4, 2, padding="same"),
                layers.LSTM(5, recurrent_regularizer=regularizers.L1L2(l2, l2)),
                layers.Dense(4, "softmax"),
            ]
        )
        return compiled(model, keras.optimizers.RMSprop(lr))

    check(gaps(build, [{"lr": 1e-2, "l2": 1e-3}, {"lr": 1e-3, "l2": 1e-2}], shape=(5, 3)))


def test_attention_and_layer_norm() -> None:
    def build(lr: float, epsilon: float) -> keras.Model:
        x = inputs = keras.Input((5, 4))
        x = layers.LayerNormalization(epsilon=epsilon)(layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x) + x)
        outputs = layers.Dense(4, "softmax")(layers.GlobalAveragePooling1D()(x))
        return compiled(keras.Model(inputs, outputs), keras.optimizers.SGD(lr, momentum=0.9, nesterov=True))

    check(gaps(build, [{"lr": 1e-2, "epsilon": 1e-3}, {"lr": 1e-3, "epsilon": 1e-5}], shape=(5, 4)))


@keras.saving.register_keras_serializable("paceline-tests")
class Repeated(layers.Layer):  # type: ignore[misc]
    """Its constant sits inside the body of a loop, where it has to become an operand."""

    def __init__(self, factor: float, kind: str) -> None:
        super().__init__()
        self.factor, self.kind = factor, kind

    def call(self, x: Any) -> Any:
        if self.kind == "scan":
            return ops.scan(lambda c, _: (ops.tanh(c * self.factor), None), x, length=3)[0]
        if self.kind == "while":
            return ops.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, c * self.factor), (0, x))[1]
        return ops.cond(ops.sum(x) > 0, lambda: x * self.factor, lambda: x - self.factor)


@pytest.mark.parametrize("kind", ["scan", "while", "cond"])
def test_a_constant_inside_a_loop(kind: str) -> None:
    def build(factor: float) -> keras.Model:
        # after the trainable layers' inputs only: reverse-mode gradients of a while loop do not exist
        model = keras.Sequential([keras.Input((6,)), Repeated(factor, kind), layers.Dense(4, "softmax")])
        return compiled(model, keras.optimizers.SGD(0.1))

    check(gaps(build, [{"factor": 0.5}, {"factor": 0.9}]))


class Weird(keras.Model):  # type: ignore[misc]
    """A training step of its own, with a log that is no metric."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.dense, self.gain = layers.Dense(1), gain

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.dense(x) * self.gain

    def train_step(self, state: Any, data: Any) -> Any:
        logs, state = super().train_step(state, data)
        return {**logs, "doubled": 2 * logs["loss"]}, state


def test_a_model_with_its_own_training_step() -> None:
    def build(gain: float) -> keras.Model:
        model = Weird(gain)
        model.build((None, 6))
        return compiled(model, keras.optimizers.SGD(0.01), classes=False)

    check(gaps(build, [{"gain": 0.5}, {"gain": 2.0}], classes=None))


def test_several_inputs_outputs_loss_weights_and_sample_weights() -> None:
    def build(weight: float, lr: float) -> keras.Model:
        a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
        x = layers.Dense(8, "tanh")(layers.Concatenate()([a, b]))
        outputs = {"kind": layers.Dense(4, "softmax", name="kind")(x), "size": layers.Dense(1, name="size")(x)}
        model = keras.Model({"a": a, "b": b}, outputs)
        model.compile(
            keras.optimizers.Adam(lr), loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
            loss_weights={"kind": weight, "size": 1.0}, metrics={"kind": ["accuracy"], "size": ["mae"]},
        )  # fmt: skip
        return model

    (x, y), (xv, yv) = rows((6,), 4)
    weights = np.linspace(0.1, 2, ROWS, dtype="float32")
    train = ({"a": x, "b": x[:, :2]}, {"kind": y, "size": x[:, :1]}, {"kind": weights, "size": weights})
    compare = SameAnswer(train, ({"a": xv, "b": xv[:, :2]}, {"kind": yv, "size": xv[:, :1]}))
    check(compare(build, [{"weight": 0.3, "lr": 1e-2}, {"weight": 2.0, "lr": 1e-3}]))


def test_averaged_weights_and_accumulated_gradients() -> None:
    def build(lr: float) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "softmax")])
        return compiled(model, keras.optimizers.Adam(lr, gradient_accumulation_steps=2))

    check(gaps(build, [{"lr": 1e-2}, {"lr": 1e-3}]))


def test_a_batch_larger_than_the_data() -> None:
    def build(lr: float) -> keras.Model:
        return compiled(keras.Sequential([keras.Input((6,)), layers.Dense(4, "softmax")]), keras.optimizers.SGD(lr))

    check(gaps(build, [{"lr": 1e-1}, {"lr": 1e-2}], batch_size=1000))


def test_configurations_of_different_structure_are_refused() -> None:
    def build(units: int) -> keras.Model:
        return compiled(
            keras.Sequential([keras.Input((6,)), layers.Dense(units), layers.Dense(4, "softmax")]),
            keras.optimizers.SGD(0.1),
        )

    with pytest.raises(ValueError, match="2 programs"):
        gaps(build, [{"units": 3}, {"units": 4}])
