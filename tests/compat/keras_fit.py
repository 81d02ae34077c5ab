"""Trains a trial of a tuner by one call of Keras's ``fit``, as the reference for its score."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from paceline.core import Trial
from paceline.train.array_feed import batch_order
from paceline.train.isolation import GlobalState, global_state_of


class _Reorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts the training rows into the order that an epoch of the search sees."""

    def __init__(self, seed: int, arrays: Sequence[np.ndarray]) -> None:
        super().__init__()
        self._seed, self._arrays = seed, arrays
        self._original = [array.copy() for array in arrays]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        order = batch_order(self._seed, epoch, len(self._arrays[0]))
        for array, original in zip(self._arrays, self._original, strict=True):
            array[:] = original[order]


def fit_trial(
    tuner: Any,
    trial: Trial,
    train: tuple[np.ndarray, ...],
    validation: tuple[np.ndarray, ...],
    *,
    seed: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    reorder: bool = True,
    **given: Any,
) -> dict[str, list[float]]:
    """The history of ``fit`` of a trial's configuration, from its seed, in its order of rows.

    Args:
        tuner: the tuner, of any kind.
        trial: of ``tuner.study``.
        train: ``(x, y)`` or ``(x, y, sample_weight)``.
        validation: the same.
        seed: of an execution; None for the first one.
        callbacks: passed to ``fit``.
        reorder: whether rows are put in the order of the search.
        **given: passed to ``fit``.
    """
    seed = trial.seed if seed is None else seed
    hp = tuner.oracle.get_trial(trial.number).hyperparameters
    x, y, *weight = (np.array(part) for part in train)
    with GlobalState(seed) as state:
        model = tuner.hypermodel.build(hp)
    state.keep_for(model)
    with global_state_of(model):
        fitted: Any = model.fit(
            x,
            y,
            sample_weight=weight[0] if weight else None,
            shuffle=False,
            validation_data=validation,
            callbacks=[*([_Reorder(seed, [x, y, *weight])] if reorder else []), *callbacks],
            verbose=0,
            **given,
        )
    history: dict[str, list[float]] = fitted.history
    return history
