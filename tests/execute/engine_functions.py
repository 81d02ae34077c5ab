"""Build functions that engines import."""

from typing import Any


def small(hp: Any) -> Any:
    """A network whose structure, sizes, dropout and learning rate vary."""
    import keras

    layers = [keras.Input((6,))]
    for _ in range(hp.Int("layers", 1, 2)):
        layers.append(keras.layers.Dense(hp.Int("units", 4, 16, step=4), "relu"))
    if hp.Boolean("drop"):
        layers.append(keras.layers.Dropout(hp.Float("rate", 0.05, 0.5)))
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.Float("lr", 1e-3, 0.1, sampling="log")), loss="mse")
    return model
