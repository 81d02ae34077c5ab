"""The common parts of all networks: output layer, loss and optimizer."""

from typing import Any

from paceline.networks.shapes import DataShape


def finish(hp: Any, layers: list[Any], data: DataShape) -> Any:
    """The compiled model of the given layers and an output layer.

    Hyperparameters: those of `_adam_or_sgd`.
    """
    import keras

    model = keras.Sequential([*layers, output(data)])
    return compiled(model, _adam_or_sgd(hp), data)


def output(data: DataShape) -> Any:
    """The output layer: softmax for classes, linear for amounts."""
    import keras

    activation = "softmax" if data.classes else "linear"
    return keras.layers.Dense(data.outputs, activation=activation, name="output")


def compiled(model: Any, optimizer: Any, data: DataShape) -> Any:
    """The model, compiled with a loss and a metric that suit the targets."""
    if not data.classes:
        model.compile(optimizer, loss="mean_squared_error", metrics=["mae"])
        return model
    loss = "categorical_crossentropy" if data.one_hot else "sparse_categorical_crossentropy"
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    return model


def _adam_or_sgd(hp: Any) -> Any:
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


def adamw(hp: Any, *, rate: float = 1e-3, clip: float | None = None) -> Any:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Hyperparameters: ``learning_rate`` and ``weight_decay``.

    Args:
        hp: the hyperparameters.
        rate: the default of ``learning_rate``.
        clip: the largest norm of the whole gradient; None for no limit.
    """
    import keras

    return keras.optimizers.AdamW(
        learning_rate=hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=rate),
        weight_decay=hp.Float("weight_decay", 1e-5, 1e-1, sampling="log", default=1e-2),
        global_clipnorm=clip,
    )
