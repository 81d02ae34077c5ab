"""Models that override something that a cohort replaces need `fit`; all others are traced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import paceline
from paceline.testing.same_answer import Gap, SameAnswer
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.trace import trace
from paceline.train.traced_model import CannotTrace, TracedModel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype("float32")
Y = X[:, :1] + 0.1 * RNG.normal(size=(40, 1)).astype("float32")


def overridden(**methods: Any) -> type[keras.Model]:
    return type("Own", (keras.Sequential,), methods)


def network(
    kind: type[keras.Model] = keras.Sequential,
    *,
    metrics: Any = ("mae",),
    before: Any = (),
    **compiling: Any,
) -> keras.Model:
    model = kind([keras.Input(X.shape[1:]), *before, layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=list(metrics), **compiling)
    return model


def traced(model: keras.Model) -> TracedModel:
    return trace(model, ArrayFeed(TrainingData.of((X, Y), (X[:9], Y[:9])), 16))


def as_it_is(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(keras.Sequential, name)(self, *args, **kwargs)

    return method


@pytest.mark.parametrize(
    "name",
    [
        "fit",
        "evaluate",
        "make_train_function",
        "make_test_function",
        "jax_state_sync",
        "_make_function",
        "_get_jax_state",
        "_get_metrics_result_or_logs",
        "_should_eval",
    ],
)
@pytest.mark.parametrize("on_the_class", [True, False])
def test_models_that_override_a_part_of_fit_need_fit(name: str, on_the_class: bool) -> None:
    model = network(overridden(**{name: as_it_is(name)}) if on_the_class else keras.Sequential)
    if not on_the_class:
        setattr(model, name, lambda *args, **kwargs: None)
    with pytest.raises(CannotTrace, match=f"overrides {name}"):
        traced(model)


def test_a_replaced_train_function_needs_fit() -> None:
    model = network()
    model.train_function, model.test_function = (lambda state, iterator: ({}, state),) * 2
    with pytest.raises(CannotTrace, match="Sequential overrides train_function and test_function"):
        traced(model)


def test_a_model_that_was_trained_before_is_traced() -> None:
    model = network(run_eagerly=False)
    model.make_train_function()
    assert traced(model).log_names == ("loss", "mae", "val_loss", "val_mae")


class Uncompiled(layers.Layer):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.supports_jit = False

    def call(self, x: Any) -> Any:
        return x * np.random.random()


@pytest.mark.parametrize(
    ("compiling", "before", "reason"),
    [
        ({"run_eagerly": True}, (), "it is compiled with run_eagerly=True"),
        ({"jit_compile": False}, (), "it is compiled with jit_compile=False"),
        ({}, (Uncompiled,), "Uncompiled cannot be compiled"),
    ],
)
def test_models_that_are_not_compiled_need_fit(compiling: Any, before: Any, reason: str) -> None:
    with pytest.raises(CannotTrace, match=reason):
        traced(network(before=[layer() for layer in before], **compiling))


def test_distribution_needs_fit() -> None:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    try:
        with pytest.raises(CannotTrace, match=r"keras\.distribution is set"):
            traced(network())
    finally:
        keras.distribution.set_distribution(None)


class Keeps(keras.metrics.MeanAbsoluteError):  # type: ignore[misc]
    """Is never reset."""

    def reset_state(self) -> None:
        pass


class Counts(keras.metrics.MeanAbsoluteError):  # type: ignore[misc]
    """Starts with a larger value after each reset."""

    resets = 0

    def reset_state(self) -> None:
        self.resets += 1
        self.total.assign(self.resets)


class BeginsAt(keras.metrics.MeanAbsoluteError):  # type: ignore[misc]
    """Starts with a custom value."""

    def __init__(self, start: float) -> None:
        super().__init__(name="mae")
        self.start = start

    def reset_state(self) -> None:
        self.total.assign(self.start)
        self.count.assign(1.0)


@pytest.mark.parametrize("metric", [Keeps, Counts])
def test_metrics_that_are_not_fully_reset_need_fit(metric: type[keras.metrics.Metric]) -> None:
    with pytest.raises(
        CannotTrace,
        match=r"does not start each epoch with the same values \(it overrides reset_state\)",
    ):
        traced(network(metrics=[metric(name="mae")]))
    whole = overridden(reset_metrics=lambda self: None)
    with pytest.raises(CannotTrace, match="does not start each epoch with the same values"):
        traced(network(whole))


class LogsItsLast(keras.Sequential):  # type: ignore[misc]
    """Logs the loss of each batch, where the metric of that name is the mean of the epoch."""

    def train_step(self, state: Any, data: Any) -> Any:
        logs, state = super().train_step(state, data)
        return {**logs, "loss": logs["loss"] * 0 + 7.0}, state

    def test_step(self, state: Any, data: Any) -> Any:
        logs, state = super().test_step(state, data)
        return {**logs, "mae": ops.mean(data[0])}, state


def check(gaps: list[Gap]) -> None:
    assert max(gap.weights for gap in gaps) < 1e-5
    assert max(gap.metrics for gap in gaps) < 1e-5


def test_logs_are_those_of_fit_and_metrics_start_at_each_lanes_values() -> None:
    def build(start: float) -> keras.Model:
        return network(LogsItsLast, metrics=[BeginsAt(start)])

    compare = SameAnswer((X, Y), (X[:9], Y[:9]), batch_size=16, epochs=2)
    check(compare(build, [{"start": 3.0}, {"start": 50.0}]))


def test_random_layers_that_keras_does_not_compile_are_traced() -> None:
    def build(factor: float) -> keras.Model:
        turned = [layers.RandomRotation(factor), layers.GlobalAveragePooling2D()]
        model = keras.Sequential([keras.Input((4, 4, 1)), *turned, layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        assert not model.jit_compile
        return model

    images = RNG.normal(size=(8, 4, 4, 1)).astype("float32")
    check(SameAnswer((images, Y[:8]), batch_size=8, epochs=2)(build, [{"factor": 0.3}]))


def test_a_layer_that_cannot_be_traced_is_named() -> None:
    images = RNG.normal(size=(40, 8, 8, 1)).astype("float32")
    pooled = [layers.RandomCrop(6, 6), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *pooled, layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(CannotTrace, match=r"cannot be traced \(RandomCrop cannot be compiled\)$"):
        trace(model, ArrayFeed(TrainingData.of((images, Y), None), 16))


class Still(keras.Sequential):  # type: ignore[misc]
    """A custom training function that changes nothing, and a custom evaluation."""

    def make_train_function(self, force: bool = False) -> None:
        def once(state: Any, iterator: Any) -> Any:
            next(iterator)
            return {"loss": np.float32(1.0)}, state

        self.train_function = once

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        return {"loss": 0.25}


def test_overridden_functions_are_used(tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        model = network(Still)
        model.optimizer.learning_rate = hp.Float("rate", 0.01, 0.1)
        return model

    study = paceline.tune(
        build,
        (X, Y),
        objective="val_loss",
        epochs=2,
        trials=1,
        search="random",
        validation=0.25,
        seed=1,
        final=False,
        display=False,
        study=tmp_path / "study",
    )
    assert study.best.score == 0.25
    assert any(
        "Still overrides evaluate and make_train_function" in note for note in study.record.notes
    )


def test_the_reason_why_a_step_cannot_be_traced_is_one_line() -> None:
    def peeks(self: Any, state: Any, data: Any) -> Any:
        return {"loss": float(ops.max(data[0]))}, state

    model = network(overridden(train_step=peeks))
    with pytest.raises(CannotTrace, match=r"^its training step cannot be traced \(.*\)$") as error:
        traced(model)
    assert "\n" not in str(error.value)
    assert "Arguments received" not in str(error.value)
