"""The data's shape, and the common parts of all networks: output layer, optimizer, loss."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DataShape:
    """The shape of inputs and targets.

    Attributes:
        input: of one row.
        classes: whether the outputs are classes.
        outputs: classes, or target columns.
        one_hot: whether class targets are one-hot.
    """

    input: tuple[int, ...]
    classes: bool
    outputs: int
    one_hot: bool


def finish(hp: Any, layers: list[Any], data: DataShape) -> Any:
    """The compiled model of the given layers and an output layer.

    Hyperparameters: those of the optimizer.
    """
    import keras

    activation = "softmax" if data.classes else "linear"
    model = keras.Sequential(
        [*layers, keras.layers.Dense(data.outputs, activation=activation, name="output")]
    )
    optimizer = _optimizer(hp)
    if not data.classes:
        model.compile(optimizer, loss="mean_squared_error", metrics=["mae"])
        return model
    loss = "categorical_crossentropy" if data.one_hot else "sparse_categorical_crossentropy"
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    return model


def _optimizer(hp: Any) -> Any:
    """Adam, or stochastic gradient descent with Nesterov's momentum.

    Hyperparameters: ``optimizer``, ``learning_rate`` and, for sgd only, ``momentum``.
    """
    import keras

    name = hp.Choice("optimizer", ["adam", "sgd"])
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.5, 0.99, default=0.9)
    if name == "adam":
        return keras.optimizers.Adam(learning_rate=rate)
    return keras.optimizers.SGD(learning_rate=rate, momentum=momentum, nesterov=True)
