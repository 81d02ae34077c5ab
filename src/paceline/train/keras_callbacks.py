"""Keras callbacks of trainings: which of them need no ``fit``, their copies and their state.

Each training has copies of the callbacks that were passed. `LaneCallbacks` calls those of a network
in a cohort, `FitCallbacks` those of a network that is trained with ``fit``.
"""

import copy
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.callbacks import Callback, EarlyStopping, ModelCheckpoint

from paceline.core import InvalidInput, closest, shown
from paceline.train import internals

OF_RATES = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
"""Callbacks that change the learning rate."""

_IN_LANES = (EarlyStopping, *OF_RATES)


def needs_fit(callback: Callback) -> bool:
    """Whether a callback can only be called by ``fit``.

    A subclass of Keras's callbacks may override anything, so it does.
    """
    if type(callback) is ModelCheckpoint:
        return bool(callback.save_freq != "epoch")
    return type(callback) not in _IN_LANES


def fit_reason(callbacks: Sequence[Callback]) -> str:
    """Why networks with these callbacks are trained with ``fit``; empty if they need not be."""
    names = [name_of(one) for one in callbacks if needs_fit(one)]
    names = list(dict.fromkeys(names))
    if not names:
        return ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    verb = "is" if len(names) == 1 else "are"
    return f"{listed} {verb} called by fit alone, since a callback may do anything with its model"


def name_of(callback: Callback) -> str:
    """The name of a callback's class."""
    return type(callback).__name__


def changes_rate(callbacks: Sequence[Callback]) -> bool:
    """Whether one of the callbacks of Keras changes the learning rate."""
    return any(type(one) in OF_RATES for one in callbacks)


def for_fresh(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """The callbacks of a training whose number of epochs is known, and which writes no files."""
    left_out = (EarlyStopping, *WRITERS)
    return tuple(one for one in callbacks if type(one) not in left_out)


def placed(callbacks: Sequence[Callback], folders: Sequence[str]) -> tuple[Callback, ...]:
    """The callbacks with a folder of one training for the files that they write."""
    found = []
    for one in callbacks:
        name = WRITERS.get(type(one))
        if name is not None:
            path, (one,) = Path(getattr(one, name)), copied([one])
            place = path.joinpath(*folders)
            if name == "filepath":
                place = path.parent.joinpath(*folders, path.name)
            setattr(one, name, str(place))
        found.append(one)
    return tuple(found)


WRITERS = {ModelCheckpoint: "filepath", keras.callbacks.TensorBoard: "log_dir"}
"""Callbacks that write files and change no training, with the attribute that is the path."""


def for_refit(callbacks: Sequence[Callback], rates: Sequence[float]) -> tuple[Callback, ...]:
    """The callbacks of a training without validation rows.

    Args:
        callbacks: those of the search.
        rates: the learning rate of each epoch of the search's training; empty if not recorded.
    """
    fresh = for_fresh(callbacks)
    kept = [one for one in fresh if type(one) is not OF_RATES[0]]
    if len(kept) < len(fresh) and rates:
        kept.append(keras.callbacks.LearningRateScheduler(RecordedRates(tuple(rates))))
    return tuple(kept)


def check_copyable(callback: Callback) -> None:
    """Checks that each training can have a copy of a callback.

    Raises:
        InvalidInput: it cannot be copied.
    """
    try:
        copied([callback])
    except Exception as error:  # whatever its own way of being copied raises
        raise InvalidInput(
            f"callbacks contains {name_of(callback)}, which cannot be copied "
            f"({type(error).__name__}: {error})",
            expected="callbacks that copy.deepcopy can copy: each trial has its own",
            fix="Open files and connections in on_train_begin, and close them in on_train_end.",
        ) from error


def copied(callbacks: Sequence[Callback]) -> list[Callback]:
    """Copies without the models that they were used with before; what they share is shared."""
    models = [vars(one).get("_model") for one in callbacks]
    return copy.deepcopy(list(callbacks), {id(model): None for model in models if model})


# -- monitored metrics


def with_modes(callbacks: Sequence[Callback], model: keras.Model) -> tuple[Callback, ...]:
    """Copies that know whether a smaller or a larger value of their metric is better.

    Args:
        callbacks: the callbacks.
        model: compiled, with all its variables: its metrics have directions.

    Raises:
        InvalidInput: Keras does not know it of a metric.
    """
    copies = copied(callbacks)
    for one in copies:
        if (path := WRITERS.get(type(one))) is not None:
            setattr(one, path, os.path.abspath(getattr(one, path)))
        if needs_fit(one):
            continue
        try:
            internals.set_monitor_op(one, model)
        except ValueError as error:
            monitor = getattr(one, "monitor", "")
            raise InvalidInput(
                f"{name_of(one)} monitors {monitor!r}, and whether less or more of it is better is "
                "not known",
                expected="the name of the loss or of a metric of the model, such as 'val_loss'",
                fix=f"Pass mode='min' or mode='max' to {name_of(one)}.",
            ) from error
    return tuple(copies)


def unmeasured(callbacks: Sequence[Callback], measured: Sequence[str]) -> list[str]:
    """A sentence for each callback of Keras that monitors what is not measured.

    Args:
        callbacks: the callbacks.
        measured: the metrics of an epoch.
    """
    found, known = [], set(measured)
    for one in callbacks:
        monitor = getattr(one, "monitor", None)
        if type(one) in OF_RATES:
            known.add("learning_rate")
        is_used = not needs_fit(one) and getattr(one, "save_best_only", True)
        if isinstance(monitor, str) and is_used and monitor not in known:
            close = closest(monitor, sorted(known), 0.6)
            meant = "" if close is None else f" Did you mean {close!r}?"
            found.append(
                f"{name_of(one)} has no effect: it monitors {shown(monitor)}, and the metrics of "
                f"an epoch are {', '.join(sorted(known))}.{meant}"
            )
    return found


# -- the callbacks of one training


@dataclass(frozen=True, slots=True)
class RecordedRates:
    """A schedule for ``LearningRateScheduler``: the learning rates of an earlier training.

    Attributes:
        rates: of each epoch; later epochs have the last one.
    """

    rates: tuple[float, ...]

    def __call__(self, epoch: int, rate: float) -> float:  # noqa: ARG002 - Keras passes it
        """The learning rate of an epoch."""
        return self.rates[min(epoch, len(self.rates) - 1)]


class CallbackCopies:
    """The copies of callbacks that one training has.

    ``restore_best_weights`` of Keras's own ``EarlyStopping`` is carried out by the training loop,
    with the variables of epoch `restored_epoch`: then a trial's weights and its score belong
    together.

    Attributes:
        all: the copies.
        stop_reason: why the training ends before its last epoch; empty if it does not.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Copies callbacks."""
        self.all = copied(callbacks)
        self.stop_reason = ""
        self._restoring = [
            one for one in self.all if type(one) is EarlyStopping and one.restore_best_weights
        ]
        for one in self._restoring:
            one.restore_best_weights = False

    @property
    def restored_epoch(self) -> int | None:
        """The epoch, from 1, whose weights ``EarlyStopping`` would restore now; None for none."""
        found = [one.best_epoch + 1 for one in self._restoring if one.best is not None]
        return found[-1] if found else None

    def note_stop(self, callback: Callback, epoch: int) -> None:
        """Notes that a callback has ended the training.

        Args:
            callback: the callback.
            epoch: epochs trained.
        """
        why = "it set stop_training"
        if isinstance(callback, EarlyStopping):
            epochs = "1 epoch" if callback.wait == 1 else f"{callback.wait} epochs"
            why = f"no improvement of {callback.monitor} for {epochs}"
        self.stop_reason = (
            self.stop_reason or f"{name_of(callback)} stopped it after epoch {epoch}: {why}"
        )

    def end(self) -> None:
        """Calls ``on_train_end``, where the callbacks do something there."""

    def state(self) -> str:
        """The counters of the callbacks: their attributes that are plain values, as text."""
        states = [[name_of(one), _plain_attributes(one)] for one in self.all]
        return json.dumps(states, default=lambda scalar: scalar.item())

    def restore(self, state: str) -> None:
        """Sets the attributes that `state` has returned, in the copies of another process."""
        known = json.loads(state)
        for one in self.all:
            found = next((entry for entry in known if entry[0] == name_of(one)), None)
            if found is not None:
                known.remove(found)
                one.__dict__.update(found[1])


_SCALARS = (np.integer, np.float16, np.float32, np.float64, np.bool_)
_NOT_STATE = ("params", "_model", "verbose", *WRITERS.values())


def _plain_attributes(callback: Callback) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in _NOT_STATE and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, _SCALARS):
        return True
    return value is None or type(value) in (bool, int, float, str)
