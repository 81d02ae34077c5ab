"""Eight configurations of one structure, for `benchmarks.final`; imports nothing but Keras, as the
peer has no more.
"""

from typing import Any

import keras
from keras import layers

CONFIGURATIONS = tuple(
    {"learning_rate": rate, "dropout": dropout}
    for rate in (5e-4, 1e-3, 2e-3, 4e-3)
    for dropout in (0.1, 0.3)
)


def network(learning_rate: float, dropout: float) -> keras.Model:
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(2):
        model.add(layers.Dense(128, activation="relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build(hp: Any) -> keras.Model:
    return network(
        hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"), hp.Float("dropout", 0.0, 0.5)
    )
