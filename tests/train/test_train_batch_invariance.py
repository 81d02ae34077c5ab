"""Models whose metrics do not depend on the validation batch size are recognised.

Each model is traced for two sizes, and evaluated by Keras with both, on rows with unevenly
distributed labels, masks and weights. If no dependence is found the results must be equal; if they
differ a dependence must be found.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics, ops
from tests.marking import first_of

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.trace import trace
from paceline.train.traced_model import TracedModel

# Keras's confusion matrices ask for int64
pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")

ROWS, SIZE = 24, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)).astype("float32")
SEQUENCES = RNG.normal(size=(ROWS, 5, 3)).astype("float32")
WORDS = np.sort(RNG.integers(0, 4, (ROWS, 5)), axis=1)[:, ::-1].astype(
    "int32"
)  # 0 is padding, at the end
IMAGES = RNG.normal(size=(ROWS, 6, 6, 3)).astype("float32")
CLASSES = np.sort(RNG.integers(0, 3, ROWS)).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
NUMBERS = (
    np.abs(RNG.normal(size=(ROWS, 1))).astype("float32")
    + np.linspace(0, 3, ROWS, dtype="float32")[:, None]
)
LABELS = np.sort(RNG.integers(0, 2, (ROWS, 1)), axis=0).astype("float32")
WEIGHTS = np.linspace(0, 2, ROWS, dtype="float32")


def network(
    *hidden: keras.Layer,
    shape: tuple[int, ...] = (4,),
    units: int = 3,
    activation: str | None = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
    **compiled: Any,
) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(units, activation)])
    model.compile("sgd", loss, **compiled)
    return model


def traced(model: keras.Model, *data: Any) -> TracedModel:
    return trace(model, ArrayFeed(TrainingData.of(data, data), SIZE))


def measured(model: keras.Model, *data: Any, size: int = SIZE) -> dict[str, Any]:
    x, y, weight = (*data, None)[:3]
    return dict(
        model.evaluate(x, y, sample_weight=weight, batch_size=size, verbose=0, return_dict=True)
    )


def difference(model: keras.Model, *data: Any) -> float:
    """Between validation in small batches and in one; relative for large numbers."""
    small, large = measured(model, *data), measured(model, *data, size=ROWS)
    pairs = [(np.asarray(small[name]), np.asarray(large[name])) for name in small]
    return max(
        float(np.max(np.abs(one - other) / np.maximum(1, np.abs(other)))) for one, other in pairs
    )


class Noted(layers.Layer):  # type: ignore[misc]
    """Counts its calls."""

    def build(self, _: Any) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        self.calls.assign_add(1.0)
        return x


class OfBatch(layers.Layer):  # type: ignore[misc]
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


def root_of_mean(y: Any, predicted: Any) -> Any:
    return ops.sqrt(ops.mean((y - predicted) ** 2))


def largest_error(y: Any, predicted: Any) -> Any:
    return ops.max(ops.abs(y - predicted))


def attention() -> keras.Model:
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((5, 3))
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True) + x)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def two_outputs() -> keras.Model:
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,)), keras.Input((5, 3))
    x = layers.Concatenate()([a, layers.Flatten()(b), layers.Dot(1)([a, a])])
    model = keras.Model(
        [a, b], [layers.Dense(3, "softmax", name="kind")(x), layers.Dense(1, name="size")(x)]
    )
    model.compile(
        "sgd",
        ["sparse_categorical_crossentropy", "mse"],
        loss_weights=[0.3, 2.0],
        metrics=[["accuracy"], ["mae"]],
    )
    return model


MULTI_CLASS = [
    "accuracy",
    metrics.F1Score(average="macro"),
    metrics.TopKCategoricalAccuracy(2),
    metrics.OneHotMeanIoU(3),
    metrics.AUC(multi_label=True, num_labels=3),
    metrics.CategoricalCrossentropy(),
    metrics.KLDivergence(),
]
BINARY = [
    "accuracy",
    metrics.AUC(),
    metrics.Precision(),
    metrics.Recall(),
    metrics.BinaryIoU(),
    metrics.TruePositives(),
    metrics.SensitivityAtSpecificity(0.5),
]
REGRESSION = [
    "mae",
    "mse",
    metrics.RootMeanSquaredError(),
    metrics.R2Score(),
    metrics.MeanAbsolutePercentageError(),
]


def activity() -> str | None:
    """A penalty on outputs: a mean over the batch in Keras, a sum before 3.13."""
    penalised = layers.Activation("linear", activity_regularizer="l1")
    sums = [
        (penalised(np.ones((rows, 2), "float32")), float(penalised.losses[0]))[1] for rows in (2, 4)
    ]
    return "l1" if sums[0] == sums[1] else None


FREE: dict[str, Callable[[], tuple[Any, ...]]] = {
    "many metrics of classes": lambda: (
        network(loss="categorical_crossentropy", metrics=MULTI_CLASS),
        X,
        ONE_HOT,
    ),
    "many metrics of two classes": lambda: (
        network(units=1, activation="sigmoid", loss="binary_crossentropy", metrics=BINARY),
        X,
        LABELS,
    ),
    "many metrics of numbers": lambda: (
        network(units=1, activation=None, loss="huber", metrics=REGRESSION),
        X,
        NUMBERS,
    ),
    "weights of rows": lambda: (
        network(weighted_metrics=["accuracy"], metrics=["accuracy"]),
        X,
        CLASSES,
        WEIGHTS,
    ),
    "label smoothing": lambda: (
        network(loss=losses.CategoricalCrossentropy(label_smoothing=0.1)),
        X,
        ONE_HOT,
    ),
    "penalties": lambda: (
        network(
            layers.Dense(4, kernel_regularizer="l2", activity_regularizer=activity()), loss="mse"
        ),
        X,
        ONE_HOT,
    ),
    "frozen statistics and dropout": lambda: (
        network(layers.Dense(5), layers.BatchNormalization(), layers.Dropout(0.3)),
        X,
        CLASSES,
    ),
    "convolutions": lambda: (
        network(
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(4, 2),
            layers.GroupNormalization(2),
            layers.UpSampling2D(),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            shape=(6, 6, 3),
        ),
        IMAGES,
        CLASSES,
    ),
    "recurrent": lambda: (
        network(
            layers.Bidirectional(layers.GRU(3, return_sequences=True)), layers.LSTM(3), shape=(5, 3)
        ),
        SEQUENCES,
        CLASSES,
    ),
    "masks that end in a row": lambda: (
        network(layers.Embedding(4, 3, mask_zero=True), layers.LSTM(3), shape=(5,)),
        WORDS,
        CLASSES,
    ),
    "a label for each step": lambda: (
        network(shape=(5, 3), metrics=["accuracy"]),
        SEQUENCES,
        WORDS % 3,
    ),
    "attention": lambda: (attention(), SEQUENCES, CLASSES),
    "two inputs and outputs": lambda: (two_outputs(), [X, SEQUENCES], [CLASSES, NUMBERS]),
    "a map over the rows": lambda: (
        network(OfBatch(lambda x: ops.map(lambda row: row / ops.sum(row**2), x))),
        X,
        CLASSES,
    ),
}
"""Models whose validation may be in batches of any size."""

BOUND: dict[str, tuple[Callable[[], tuple[Any, ...]], str]] = {
    "a sum over rows as loss": (
        lambda: (network(loss=losses.SparseCategoricalCrossentropy(reduction="sum")), X, CLASSES),
        "not be a sum",
    ),
    "the root of a mean as loss": (
        lambda: (network(units=1, activation=None, loss=root_of_mean), X, NUMBERS),
        "not be a sum",
    ),
    "a mean over some labels": (
        lambda: (network(loss=losses.SparseCategoricalCrossentropy(ignore_class=0)), X, CLASSES),
        "not be a sum",
    ),
    "a mean over what is not masked": (
        lambda: (
            network(
                layers.Embedding(4, 3, mask_zero=True),
                layers.LSTM(3, return_sequences=True),
                shape=(5,),
            ),
            WORDS,
            WORDS % 3,
        ),
        "not be a sum",
    ),
    "a mean weighted by rows": (
        lambda: (
            network(loss=losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")),
            X,
            CLASSES,
            WEIGHTS,
        ),
        "not be a sum",
    ),
    "overlap of a batch": (
        lambda: (network(loss=losses.Tversky(axis=None)), X, ONE_HOT),
        "not be a sum",
    ),
    "the largest error as metric": (
        lambda: (
            network(units=1, activation=None, loss="mse", metrics=[largest_error]),
            X,
            NUMBERS,
        ),
        "not be a sum",
    ),
    "the mean of the batch taken away": (
        lambda: (network(OfBatch(lambda x: x - ops.mean(x, axis=0, keepdims=True))), X, CLASSES),
        "not be a sum",
    ),
    "every row compared with every other": (
        lambda: (
            network(OfBatch(lambda x: ops.matmul(ops.softmax(ops.matmul(x, ops.transpose(x))), x))),
            X,
            CLASSES,
        ),
        "not be a sum",
    ),
    "the place of a row in the batch": (
        lambda: (
            network(OfBatch(lambda x: x + ops.arange(ops.shape(x)[0], dtype="float32")[:, None])),
            X,
            CLASSES,
        ),
        "not be a sum",
    ),
    "the next row": (
        lambda: (network(OfBatch(lambda x: x - ops.roll(x, 1, axis=0))), X, CLASSES),
        "not be a sum",
    ),
    "the number of rows": (
        lambda: (network(OfBatch(lambda x: x * ops.shape(x)[0])), X, CLASSES),
        "not be a sum",
    ),
    "a choice by the whole batch": (
        lambda: (
            network(OfBatch(lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: -x))),
            X,
            CLASSES,
        ),
        "not be a sum",
    ),
    "a counter": (lambda: (network(Noted()), X, CLASSES), "changes its state"),
    "random numbers": (
        lambda: (network(layers.GRU(3, dropout=0.5), shape=(5, 3)), SEQUENCES, CLASSES),
        "its state",
    ),
    "half precision": (
        lambda: (network(layers.Dense(4, dtype="bfloat16"), loss="mse"), X, ONE_HOT),
        "float32",
    ),
}
"""Models that have to be validated in batches of the size that was asked for, and a word of why."""


@pytest.mark.parametrize("name", first_of(8, FREE))
def test_sums_over_rows_are_validated_in_one_batch(name: str) -> None:
    model, *data = FREE[name]()
    found = traced(model, *data)
    assert found.unmerged_reason == ""
    assert "test_rest" not in found.parts
    assert difference(model, *data) < 1e-5


@pytest.mark.parametrize("name", BOUND)
def test_batch_dependent_metrics_are_validated_as_in_fit(name: str) -> None:
    make, word = BOUND[name]
    model, *data = make()
    found = traced(model, *data)
    assert word in found.unmerged_reason
    assert isinstance(found.feed, ArrayFeed)
    assert found.feed.sizes["test"] == SIZE


def test_the_result_does_not_depend_on_the_order_of_models() -> None:
    # a constant decides whether the same equations are a mean: here it is the size of the larger
    # batch
    def model(rows: Callable[[Any], float]) -> TracedModel:
        return traced(
            network(units=1, activation=None, loss=lambda y, p: ops.sum((y - p) ** 2) / rows(y)),
            X,
            NUMBERS,
        )

    mean, by_number = model(lambda y: float(y.shape[0])), model(lambda y: float(ROWS))
    assert mean.unmerged_reason == ""
    assert "not be a sum" in by_number.unmerged_reason
    assert model(lambda y: float(y.shape[0])).unmerged_reason == ""
    assert model(lambda y: 7.0).unmerged_reason == by_number.unmerged_reason


def test_a_single_batch_needs_no_analysis() -> None:
    model = network(loss=losses.SparseCategoricalCrossentropy(reduction="sum"))
    found = trace(
        model,
        ArrayFeed(TrainingData.of((X, CLASSES), (X, CLASSES)), SIZE, validation_batch_size=ROWS),
    )
    assert found.unmerged_reason == ""
    assert "test_rest" not in found.parts
