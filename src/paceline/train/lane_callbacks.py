"""Calls Keras's own callbacks for a network in a cohort, with a stand-in for its model.

What they do is thus what the installed version of Keras does. The stand-in has what Keras's
``EarlyStopping``, ``ReduceLROnPlateau``, ``LearningRateScheduler`` and ``ModelCheckpoint`` use of a
model.
"""

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from keras.callbacks import Callback, EarlyStopping, ModelCheckpoint

from paceline.train import internals
from paceline.train.keras_callbacks import OF_RATES, CallbackCopies

Rate = np.generic | np.ndarray | None
"""A learning rate in the type of its variable; None where no callback uses it."""


_RATE = "learning_rate"
_LOCK = threading.Lock()
"""Held while callbacks are called: cohorts train in threads, and users' schedules are functions."""


class _Optimizer:
    """Stands for the optimizer: its learning rate is a number of a lane."""

    def __init__(self) -> None:
        self.rate: Rate = None

    @property
    def learning_rate(self) -> Rate:
        """The learning rate; it has the type of the variable."""
        return self.rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.rate = np.asarray(value, None if self.rate is None else self.rate.dtype)


class _Model:
    """Stands for the model."""

    def __init__(self) -> None:
        self.optimizer = _Optimizer()
        self.stop_training = False
        self.files: dict[str, bool] = {}

    def save(self, path: str, overwrite: bool = True) -> None:  # noqa: ARG002 - Keras passes it
        """Notes that the model is to be saved."""
        self.files[path] = False

    def save_weights(self, path: str, overwrite: bool = True) -> None:  # noqa: ARG002 - as above
        """Notes that the weights are to be saved."""
        self.files[path] = True


class LaneCallbacks(CallbackCopies):
    """The callbacks of a network in a cohort."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Copies callbacks that need no ``fit``, see `paceline.train.keras_callbacks`."""
        super().__init__(callbacks)
        self._model, self._has_begun = _Model(), False
        for one in self.all:
            one.verbose = 0  # many networks train at once
            internals.compare_on_host(one)
            one.set_model(self._model)

    def restore(self, state: str) -> None:
        """Sets the counters, see `CallbackCopies.restore`."""
        self._begin()
        super().restore(state)

    def begin_epoch(self, epoch: int, rate: Rate) -> Rate:
        """Calls ``on_epoch_begin``, and before the first epoch ``on_train_begin``.

        Args:
            epoch: epochs trained before.
            rate: the learning rate.

        Returns:
            The learning rate of the epoch.
        """
        self._begin()
        self._model.optimizer.rate = rate
        with _LOCK:
            for one in self.all:
                one.on_epoch_begin(epoch, {})
        return self._model.optimizer.rate

    def end_epoch(
        self, epoch: int, metrics: Mapping[str, float], rate: Rate
    ) -> tuple[dict[str, float], Rate]:
        """Calls ``on_epoch_end``; notes whether the training ends.

        Args:
            epoch: epochs trained before this one.
            metrics: the metrics of the epoch.
            rate: the learning rate.

        Returns:
            The metrics, to which callbacks may have added the learning rate, and the learning rate
            of the next epoch.
        """
        logs, model = dict(metrics), self._model
        model.optimizer.rate = rate
        with _LOCK:
            for one in self.all:
                self._end(one, epoch, logs)
                if model.stop_training:
                    model.stop_training = False
                    self.note_stop(one, epoch + 1)
        return logs, model.optimizer.rate

    def take_files(self) -> dict[str, bool]:
        """The model files to write after this epoch, and whether they have the weights alone."""
        files, self._model.files = self._model.files, {}
        return files

    def _end(self, callback: Callback, epoch: int, logs: dict[str, float]) -> None:
        """Calls ``on_epoch_end``, unless Keras would only warn that its metric is missing."""
        is_of_rate = isinstance(callback, OF_RATES)
        monitor = getattr(callback, "monitor", _RATE)
        is_file = isinstance(callback, ModelCheckpoint) and not callback.save_best_only
        if monitor in logs or is_file or (is_of_rate and monitor == _RATE):
            callback.on_epoch_end(epoch, logs)
        elif is_of_rate and self._model.optimizer.rate is not None:
            logs[_RATE] = float(self._model.optimizer.rate)

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            for one in self.all:
                one.on_train_begin({})


def restored_epoch(
    callbacks: Sequence[Callback], logs: Sequence[Mapping[str, float]]
) -> int | None:
    """The epoch, from 1, whose weights ``EarlyStopping`` restores after some epochs.

    Args:
        callbacks: the callbacks; those that stop or restore nothing are ignored.
        logs: the metrics of each epoch.
    """
    copies = LaneCallbacks([one for one in callbacks if type(one) is EarlyStopping])
    for epoch, metrics in enumerate(logs):
        copies.begin_epoch(epoch, None)
        copies.end_epoch(epoch, metrics, None)
    return copies.restored_epoch
