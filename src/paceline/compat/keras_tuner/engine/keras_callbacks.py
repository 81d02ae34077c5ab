"""The callbacks of a trial that trains alone; this module needs Keras."""

from collections.abc import Mapping
from typing import Any

import keras

from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.trial import Trial


class TunerCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls the tuner's own methods for epochs and batches."""

    def __init__(self, tuner: Any, trial: Trial) -> None:
        super().__init__()
        self.tuner, self.trial = tuner, trial

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Calls the tuner's method of this name."""
        self.tuner.on_epoch_begin(self.trial, self.model, epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls the tuner's method of this name."""
        self.tuner.on_epoch_end(self.trial, self.model, epoch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls ``on_batch_begin`` of the tuner."""
        self.tuner.on_batch_begin(self.trial, self.model, batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls ``on_batch_end`` of the tuner."""
        self.tuner.on_batch_end(self.trial, self.model, batch, logs)

    on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end


class SaveBestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the weights of the best epoch; of each epoch where the objective is not measured.

    Args:
        objective: what decides.
        filepath: of the weights.
    """

    def __init__(self, objective: Objective, filepath: str) -> None:
        super().__init__()
        self.objective, self.filepath = objective, filepath
        self.best_value: float | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Saves the weights if this is the best epoch so far."""
        if not self.objective.has_value(logs or {}):
            self.model.save_weights(self.filepath)
            return
        value = self.objective.get_value(logs or {})
        if self.best_value is None or self.objective.better_than(value, self.best_value):
            self.best_value = value
            self.model.save_weights(self.filepath)
