"""The networks and spaces of the benchmarks, in KerasTuner's vocabulary, run by Paceline and by
every peer.

Imports nothing but Keras, because the peers' environments have nothing else in common.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import keras
from keras import layers, regularizers


class HyperParameters(Protocol):
    """The part of ``hp`` that the benchmarks use."""

    def Int(  # noqa: N802
        self, name: str, min_value: int, max_value: int, step: Any = None
    ) -> int: ...
    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: Any = None,
        *,
        sampling: Any = "linear",
    ) -> float: ...
    def Choice(self, name: str, values: Sequence[Any]) -> Any: ...  # noqa: N802


class Smallest:
    """An ``hp`` that always answers with the smallest or first value: for programs that only call
    ``fit``.
    """

    def Int(  # noqa: N802
        self,
        name: str,  # noqa: ARG002
        min_value: int,
        max_value: int,  # noqa: ARG002
        step: Any = None,  # noqa: ARG002
    ) -> int:
        return min_value

    def Float(  # noqa: N802
        self,
        name: str,  # noqa: ARG002
        min_value: float,
        max_value: float,  # noqa: ARG002
        step: Any = None,  # noqa: ARG002
        *,
        sampling: Any = "linear",  # noqa: ARG002
    ) -> float:
        return min_value

    def Choice(self, name: str, values: Sequence[Any]) -> Any:  # noqa: N802, ARG002
        return values[0]


def california(hp: HyperParameters) -> keras.Model:
    """The main job of the results: layers 1-3, four widths, dropout, learning rate and L2."""
    units, dropout = hp.Choice("units", [32, 64, 96, 128]), hp.Float("dropout", 0.0, 0.5)
    l2 = hp.Float("l2", 1e-6, 1e-2, sampling="log")
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(hp.Int("layers", 1, 3)):
        model.add(layers.Dense(units, activation="relu", kernel_regularizer=regularizers.L2(l2)))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")), loss="mse"
    )
    return model


def mnist(hp: HyperParameters) -> keras.Model:
    """A tunable classifier of flattened 28 x 28 images."""
    units = hp.Choice("units", [32, 64, 128])
    dropout = hp.Float("dropout", 0.0, 0.5)
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(hp.Int("layers", 1, 3)):
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    _compile_classifier(
        model, keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
    )
    return model


_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


def typical_california(hp: HyperParameters) -> keras.Model:
    """A regression as textbooks tune it: depth, any width up to 100, optimizer, learning rate."""
    neurons = hp.Int("neurons", 1, 100)
    optimizer = _OPTIMIZERS[hp.Choice("optimizer", list(_OPTIMIZERS))]
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(hp.Int("layers", 0, 3)):
        model.add(layers.Dense(neurons, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer(learning_rate=rate, clipnorm=1.0), loss="mse")
    return model


def typical_mnist(hp: HyperParameters) -> keras.Model:
    """A classifier as KerasTuner's tutorials tune it: width in steps of 32, dropout, rate."""
    model = keras.Sequential([keras.Input((784,))])
    model.add(layers.Dense(hp.Int("units", 32, 512, step=32), activation="relu"))
    model.add(layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
    model.add(layers.Dense(10, activation="softmax"))
    rate = hp.Choice("learning_rate", [1e-2, 1e-3])
    _compile_classifier(model, keras.optimizers.Adam(learning_rate=rate))
    return model


def grid(inputs: int) -> Callable[[HyperParameters], keras.Model]:
    """324 networks and optimizers; times two batch sizes and two numbers of epochs they are the
    grid of 1,296.
    """

    def build(hp: HyperParameters) -> keras.Model:
        units, activation = (
            hp.Choice("units", [16, 32, 64]),
            hp.Choice("activation", ["relu", "tanh"]),
        )
        optimizer = _OPTIMIZERS[hp.Choice("optimizer", list(_OPTIMIZERS))]
        model = keras.Sequential([keras.Input((inputs,))])
        for _ in range(hp.Choice("layers", [1, 2, 3])):
            model.add(layers.Dense(units, activation=activation))
        model.add(layers.Dense(10, activation="softmax"))
        learning_rate, weight_decay = (
            hp.Choice("learning_rate", [1e-3, 3e-3, 1e-2]),
            hp.Choice("weight_decay", [1e-5, 1e-3]),
        )
        _compile_classifier(
            model, optimizer(learning_rate=learning_rate, weight_decay=weight_decay)
        )
        return model

    return build


def tiny(hp: HyperParameters) -> keras.Model:
    """The smallest network worth training: what is left of a study's time is the study's own."""
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(1)]
    )
    model.compile(
        keras.optimizers.SGD(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")), loss="mse"
    )
    return model


def mlp_8_30_30_10(hp: HyperParameters) -> keras.Model:
    """The small network whose model-steps per second are compared."""
    dense = [
        layers.Dense(30, activation="relu"),
        layers.Dense(30, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((8,)), *dense])
    _compile_classifier(
        model, keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
    )
    return model


def mlp_784_128_64_10(hp: HyperParameters) -> keras.Model:
    """A classifier of flattened images whose steps are bound by memory on a GPU."""
    dense = [
        layers.Dense(128, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((784,)), *dense])
    _compile_classifier(
        model, keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
    )
    return model


def convolutional(filters: Sequence[int]) -> Callable[[HyperParameters], keras.Model]:
    """3 x 3 convolutions with ReLU, pooled after each in a stack of two, after every second one in
    longer stacks.
    """
    every = 1 if len(filters) <= 2 else 2

    def build(hp: HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((28, 28, 1))])
        for place, width in enumerate(filters, start=1):
            model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
            if place % every == 0:
                model.add(layers.MaxPooling2D(2))
        model.add(layers.Flatten())
        model.add(layers.Dense(10, activation="softmax"))
        _compile_classifier(
            model, keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
        )
        return model

    return build


def _compile_classifier(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])


@dataclass(frozen=True)
class Space:
    """A search space as every side of a benchmark needs to know it.

    Attributes:
        build: makes a compiled model of one configuration.
        objective: the metric that is optimised.
        width: number of inputs and of outputs, to count parameters; None for networks that are not
            plain MLPs.
        choices: training arguments (batch size, epochs) that are hyperparameters too, with their
            values.
    """

    build: Callable[[HyperParameters], keras.Model]
    objective: str
    width: tuple[int, int] | None = None
    choices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def parameters(self, config: Mapping[str, Any]) -> int:
        """Weights of the network of one configuration: says whether two sides drew networks of like
        size.
        """
        if self.width is None:
            return 0
        (inputs, outputs), layers_ = self.width, int(config.get("layers", 1))
        units = int(config["neurons" if "neurons" in config else "units"])
        if layers_ == 0:
            return (inputs + 1) * outputs
        return (inputs + 1) * units + (layers_ - 1) * (units + 1) * units + (units + 1) * outputs


CNNS: Mapping[str, tuple[int, ...]] = {
    "8-16": (8, 16),
    "32-64": (32, 64),
    "32-64-64-128": (32, 64, 64, 128),
}

_GRID: Mapping[str, tuple[int, ...]] = {"batch_size": (32, 64), "epochs": (5, 10)}
"""Hyperparameters of the training loop in the grid of 1,296."""

SPACES: Mapping[str, Space] = {
    "california": Space(california, "val_loss", (8, 1)),
    "mnist": Space(mnist, "val_accuracy", (784, 10)),
    "typical california": Space(typical_california, "val_loss", (8, 1)),
    "typical mnist": Space(typical_mnist, "val_accuracy", (784, 10)),
    "digits": Space(grid(64), "val_accuracy", (64, 10), _GRID),
    "fashion": Space(grid(784), "val_accuracy", (784, 10), _GRID),
    "tiny": Space(tiny, "val_loss"),
    "mlp": Space(mlp_8_30_30_10, "val_loss"),
    "wide mlp": Space(mlp_784_128_64_10, "val_loss"),
    **{f"cnn {name}": Space(convolutional(filters), "val_loss") for name, filters in CNNS.items()},
}
