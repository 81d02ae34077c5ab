"""Small data and networks for the interfaces of other libraries."""

from typing import Any

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """120 rows in float64; classes 1 and 2 in a column, as people pass them, ordered by class."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4))
    y = (x[:, :1] + 0.5 * x[:, 1:2] + rng.normal(size=(120, 1)) > 0.3).astype(int) + 1
    return x, y


def classifier(hp: Any) -> keras.Model:
    """A network without an input shape, whose units and learning rate vary."""
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.Int("units", 4, 8, step=4), activation="tanh"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
