"""Models that do not fit the data are refused before anything is written; others are accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import InvalidInput
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.model_checks import check_model_fits_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("float32")
CLASSES = np.arange(40) % 10
ONE_HOT = np.eye(10, dtype="float32")[CLASSES]
NUMBERS = X[:, 0]


def dense(units: int, loss: Any, features: int = 4, **compiling: Any) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        model = keras.Sequential([keras.Input((features,)), keras.layers.Dense(units)])
        model.compile("sgd", loss, **compiling)
        return model

    return make


def two_outputs() -> keras.Model:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    model.compile("sgd", ["mse", "mse"])
    return model


def without_loss(regularizer: Any = None, added: bool = False) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(3, kernel_regularizer=regularizer)(inputs)
        hidden = keras.layers.ActivityRegularization(l2=0.1)(hidden) if added else hidden
        model = keras.Model(inputs, [keras.layers.Dense(1)(hidden), keras.layers.Dense(1)(hidden)])
        model.compile("sgd", loss=[None, None], metrics=["mae", "mae"])
        return model

    return make


SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"

REFUSED: dict[str, tuple[Callable[[], keras.Model], Any, str]] = {
    "numbers for one-hot": (
        dense(10, CATEGORICAL),
        CLASSES,
        r"class numbers; expected loss='sparse_categorical",
    ),
    "one-hot for numbers": (
        dense(10, SPARSE),
        ONE_HOT,
        r"one-hot labels; expected loss='categorical",
    ),
    "numbers for several": (
        dense(10, "binary_crossentropy"),
        CLASSES,
        r"class numbers; expected loss='sparse_",
    ),
    "too few classes": (
        dense(5, SPARSE),
        CLASSES,
        r"has size 5 and the labels go up to 9.*keras\.layers\.Dense\(10\)",
    ),
    "too few, as an object": (
        dense(5, keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        CLASSES,
        r"labels go up to 9",
    ),
    "one output for ten": (dense(1, SPARSE), CLASSES, r"has size 1 and the labels go up to 9"),
    "two for ten": (
        dense(1, "binary_crossentropy"),
        CLASSES,
        r"labels from 0 to 9; expected labels 0 and 1",
    ),
    "a regression": (
        dense(10, SPARSE),
        NUMBERS,
        r"targets such as .*; expected class numbers, or loss='mse'",
    ),
    "too few one-hot": (
        dense(5, CATEGORICAL),
        ONE_HOT,
        r"must have the same shape.*output: \(rows, 5\) float32",
    ),
    "more outputs than targets": (dense(3, "mse"), NUMBERS, r"size 1 where its output has size 3"),
    "more targets than outputs": (dense(1, "mae"), X[:, :2], r"size 2 where its output has size 1"),
    "other inputs": (
        dense(1, "mse", features=5),
        NUMBERS,
        r"axis -1 of input shape to have value 5",
    ),
    "no loss": (
        dense(1, None, metrics=["mae"]),
        NUMBERS,
        r"compiled with loss=None and adds no other loss.*expected a loss",
    ),
    "no loss for any output": (
        without_loss(),
        (NUMBERS, NUMBERS),
        r"compiled with loss=\[None, None\] and adds",
    ),
    "no loss but that of weights": (
        without_loss("l2"),
        (NUMBERS, NUMBERS),
        r"nothing would be trained",
    ),
    "one target for two outputs": (
        two_outputs,
        NUMBERS,
        r"different structures.*loss: \['mse', 'mse'\]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incompatible_models_are_refused_before_anything_is_written(
    case: str, tmp_path: Path
) -> None:
    make, y, message = REFUSED[case]

    def build(hp: Any) -> keras.Model:
        hp.Float("anything", 0.0, 1.0)
        return make()

    options: dict[str, Any] = {
        "objective": "val_loss",
        "trials": 1,
        "display": False,
        "final": False,
    }
    with pytest.raises(InvalidInput, match=message) as error:
        paceline.tune(build, (X, y), study=tmp_path / "study", **options)
    assert "build(hp) raised" not in str(error.value)
    assert not (tmp_path / "study").exists()


class OwnLoss(keras.Sequential):  # type: ignore[misc]
    """A custom loss, for other labels."""

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        return keras.ops.mean(keras.ops.square(y_pred))


def own_loss(loss: Any = SPARSE) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        model = OwnLoss([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("sgd", loss)
        return model

    return make


def per_step(units: int, loss: Any) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(units)])
        model.compile("sgd", loss)
        return model

    return make


STEPS = RNG.normal(size=(40, 4, 2)).astype("float32")
FITTING: dict[str, tuple[Callable[[], keras.Model], Any, Any]] = {
    "classes": (dense(10, SPARSE), X, CLASSES),
    "more outputs than classes": (dense(12, SPARSE), X, CLASSES),
    "classes in a column": (dense(10, SPARSE), X, CLASSES[:, None]),
    "one-hot": (dense(10, CATEGORICAL), X, ONE_HOT),
    "several labels": (dense(10, "binary_crossentropy"), X, ONE_HOT),
    "probabilities": (dense(1, "binary_crossentropy"), X, RNG.random(40).astype("float32")),
    "ignored": (
        dense(3, keras.losses.SparseCategoricalCrossentropy(True, ignore_class=-1)),
        X,
        np.array([-1, 2] * 20),
    ),
    "a regression of two": (dense(2, "huber"), X, X[:, :2]),
    "steps": (per_step(10, SPARSE), STEPS, RNG.integers(0, 10, (40, 4))),
    "steps, two classes": (per_step(1, "binary_crossentropy"), STEPS, RNG.integers(0, 2, (40, 4))),
    "steps, numbers": (per_step(1, "mse"), STEPS, STEPS[..., 0]),
    "a loss of its own": (own_loss(), X, CLASSES),
    "a loss of its own and none to compile": (own_loss(None), X, CLASSES),
    "only losses that layers add": (without_loss(added=True), X, (NUMBERS, NUMBERS)),
    "two outputs": (two_outputs, X, (NUMBERS, NUMBERS)),
}


@pytest.mark.parametrize("case", FITTING)
def test_compatible_models_are_accepted(case: str) -> None:
    make, x, y = FITTING[case]
    batch = ArrayFeed(TrainingData.of((x, y), None), 8).batch_spec("train")
    check_model_fits_data(make(), batch, None if isinstance(y, tuple) else y)


class Two(keras.metrics.Metric):  # type: ignore[misc]
    """A metric with two named values, which ``fit`` logs."""

    def __init__(self) -> None:
        super().__init__(name="two")
        self.mean = keras.metrics.Mean()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.mean.update_state(y_pred)

    def result(self) -> dict[str, Any]:
        return {"middle": self.mean.result(), "twice": 2 * self.mean.result()}


def test_a_metric_that_is_a_dict_trains_in_a_cohort(tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1)), "mse", metrics=[Two()])
        return model

    study = paceline.tune(
        build,
        (X, NUMBERS),
        objective=("val_twice", "max"),
        epochs=1,
        trials=1,
        study=tmp_path / "study",
        display=False,
        final=False,
        seed=1,
    )
    assert study.best.program != "fit"
    metrics = study.best.measurements[0].metrics
    assert set(metrics) == {
        f"{part}{name}" for part in ("", "val_") for name in ("loss", "middle", "twice")
    }
    assert metrics["val_twice"] == pytest.approx(2 * metrics["val_middle"])


def test_a_metric_with_several_values_is_not_an_objective(tmp_path: Path) -> None:
    def tune(name: str, eager: bool) -> None:
        def build(hp: Any) -> keras.Model:
            hp.Float("anything", 0.0, 1.0)
            return dense(10, CATEGORICAL, metrics=[keras.metrics.F1Score()], run_eagerly=eager)()

        paceline.tune(
            build,
            (X, ONE_HOT),
            objective="val_f1_score",
            epochs=2,
            trials=1,
            study=tmp_path / name,
            display=False,
            final=False,
        )

    with pytest.raises(
        InvalidInput, match=r"'val_f1_score', which has 10 values.*F1Score\(average='macro'\)"
    ):
        tune("traced", False)
    with pytest.raises(
        paceline.AllTrialsFailed, match=r"val_f1_score was not measured, or is not a single number"
    ):
        tune("eager", True)  # detected during training
