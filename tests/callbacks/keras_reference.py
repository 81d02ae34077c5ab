"""Trains a trial of a study by one call of Keras's ``fit``, as the reference for its callbacks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from paceline.core import Trial
from paceline.space import HyperParameters, Space
from paceline.train.array_feed import batch_order
from paceline.train.isolation import GlobalState, global_state_of

rng = np.random.default_rng(0)
X = rng.normal(size=(160, 4)).astype("float32")
Y = (X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=160) > 0.3).astype("int32")
TRAIN, HELD_OUT, TEST = (X[:96], Y[:96]), (X[96:128], Y[96:128]), (X[128:], Y[128:])
BATCH = 32

DATA: Mapping[str, Any] = {
    "data": (*TRAIN, *TEST),
    "validation": HELD_OUT,
    "batch_size": BATCH,
    "standardize": False,
    "search": "random",
    "schedule": "full",
    "final": False,
    "display": False,
    "seed": 1,
}
"""Arguments of `paceline.tune` with which `fitted` is comparable."""


class _Reorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts the training rows into the order that an epoch of a trial sees."""

    def __init__(self, seed: int, arrays: Sequence[np.ndarray]) -> None:
        super().__init__()
        self._seed, self._arrays = seed, arrays
        self._original = [array.copy() for array in arrays]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        order = batch_order(self._seed, epoch, len(self._arrays[0]))
        for array, original in zip(self._arrays, self._original, strict=True):
            array[:] = original[order]


def classifier(hp: Any) -> keras.Model:
    """A network whose width and learning rate vary."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(hp.Int("units", 4, 8, step=2), activation="tanh"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Float("rate", 0.01, 2.0, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def fitted(
    build: Callable[[Any], keras.Model],
    trial: Trial,
    callbacks: Sequence[keras.callbacks.Callback],
    epochs: int,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """The model and the history of one ``fit`` of a trial, on its batches."""
    x, y = (np.array(part) for part in TRAIN)
    hp = HyperParameters(Space(), dict(trial.config))
    with GlobalState(trial.seed) as state:
        model = build(hp)
    state.keep_for(model)
    with global_state_of(model):
        history = model.fit(
            x,
            y,
            batch_size=BATCH,
            epochs=epochs,
            shuffle=False,
            validation_data=HELD_OUT,
            callbacks=[_Reorder(trial.seed, [x, y]), *callbacks],
            verbose=0,
        )
    return model, history.history
