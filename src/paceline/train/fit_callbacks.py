"""Calls Keras callbacks for a network that is trained with ``fit``, one call for each epoch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras.callbacks import Callback, CallbackList

from paceline.train.keras_callbacks import CallbackCopies


class FitCallbacks(CallbackCopies):
    """The callbacks of a network that is trained with ``fit``.

    They see one training: one beginning, one end, and a history of all its epochs.

    Attributes:
        stopped_by: the callback that has ended an epoch before its last batch; None if none has.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Copies callbacks."""
        super().__init__(callbacks)
        self.stopped_by: Callback | None = None
        self._counters = ""
        self._list: _OneTraining | None = None

    def restore(self, state: str) -> None:
        """Sets the counters when the training begins here, see `CallbackCopies.restore`."""
        self._counters = state

    def list_of(
        self, model: keras.Model, epochs: int, steps: int | None, more: Sequence[Callback]
    ) -> CallbackList:
        """The callbacks to pass to ``fit`` for each epoch.

        Args:
            model: the model.
            epochs: epochs of the full training.
            steps: batches of an epoch; None if that is not known.
            more: further callbacks of the first epoch here, which are called in all.
        """
        if self._list is None:
            self._list = _OneTraining(self, more, model=model, epochs=epochs, steps=steps)
        return self._list

    def begin_here(self) -> None:
        """Sets the counters of an earlier process."""
        if self._counters:
            super().restore(self._counters)

    def end(self) -> None:
        """Calls ``on_train_end``, if the training has begun."""
        if self._list is not None:
            self._list.end()
            self._list = None


class _Watch(Callback):  # type: ignore[misc]
    """Comes after a callback, and notes that it has ended the training."""

    def __init__(self, copies: FitCallbacks, watched: Callback) -> None:
        super().__init__()
        self._copies, self._watched = copies, watched

    def set_model(self, model: keras.Model) -> None:
        """Keeps the model: reading ``self.model`` would copy its variables after each batch."""
        self._of = model

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Records which callback ends the training during an epoch."""
        if self._of.stop_training and self._copies.stopped_by is None:
            self._copies.stopped_by = self._watched

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Notes a stop."""
        if self._of.stop_training:
            self._copies.note_stop(self._copies.stopped_by or self._watched, epoch + 1)


class _OneTraining(CallbackList):  # type: ignore[misc]
    """A list of callbacks for several calls of ``fit`` that are one training."""

    callbacks: list[Callback]

    def __init__(
        self, copies: FitCallbacks, more: Sequence[Callback], model: keras.Model, **params: Any
    ) -> None:
        watched = [one for copy in copies.all for one in (copy, _Watch(copies, copy))]
        super().__init__([*watched, *more], add_history=True, verbose=0, model=model, **params)
        self._copies, self._trained, self._has_begun = copies, model, False
        self._last_logs: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Calls it before the first epoch only."""
        with self._silent(self._has_begun):
            super().on_train_begin(logs)
        if not self._has_begun:
            self._has_begun = True
            self._copies.begin_here()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls it; a later callback may have revoked the stop of an earlier one."""
        super().on_epoch_end(epoch, logs)
        if not self._trained.stop_training:
            self._copies.stop_reason, self._copies.stopped_by = "", None

    def on_train_end(self, logs: Any = None) -> None:
        """Calls nothing: the training may continue; see `end`."""
        self._last_logs = logs
        with self._silent(True):
            super().on_train_end(logs)

    def end(self) -> None:
        """Calls ``on_train_end``."""
        for one in self._copies.all:
            one.on_train_end(self._last_logs)

    @contextmanager
    def _silent(self, is_silent: bool) -> Iterator[None]:
        called = self.callbacks
        self.callbacks = [] if is_silent else called
        try:
            yield
        finally:
            self.callbacks = called
