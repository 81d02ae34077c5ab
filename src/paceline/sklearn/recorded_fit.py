"""Fits an estimator without training its Keras network, and records what was to be trained.

The estimator does all that it does before training: it encodes targets, transforms inputs, builds
and compiles its model. Its call of ``model.fit`` is recorded in place of being carried out. So any
estimator works that calls ``fit`` of one model once: those of scikeras and of `keras.wrappers`,
pipelines that end in one, and others.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from paceline.data.trees import Tree, is_branch, leaves, map_leaves, num_rows
from paceline.study.inputs.stream_parts import weights_of_classes
from paceline.train.callback_text import text_of
from paceline.train.keras_callbacks import WRITERS, name_of, needs_fit


class RunsAlone(Exception):
    """A fit cannot be trained with others; the message says why, if that is worth saying."""


@dataclass(frozen=True, eq=False)
class RecordedFit:
    """A call of ``fit`` that was recorded.

    Attributes:
        model: the model, compiled, with its initial weights.
        arguments: those of ``fit``, by name, with the defaults.
        history: what the call returned: empty so far.
    """

    model: keras.Model
    arguments: Mapping[str, Any]
    history: keras.callbacks.History

    def fill_history(self, epochs: Sequence[Mapping[str, float]]) -> None:
        """Fills the history with the metrics of each epoch."""
        for epoch, metrics in enumerate(epochs):
            self.history.epoch.append(epoch)
            for name, value in metrics.items():
                self.history.history.setdefault(name, []).append(value)
        self.model.history = self.history


@dataclass(frozen=True, eq=False)
class NetworkTraining:
    """How a network is to be trained.

    Attributes:
        arrays: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays with one row for each
            example.
        num_train: how many of the rows train; the rest validate.
        validation: separate validation data in the same form; None for none.
        epochs: number of epochs.
        batch_size: rows of a batch.
        validation_batch_size: rows of a validation batch; None for as many.
        callbacks: Keras callbacks.
    """

    arrays: tuple[Tree, ...]
    num_train: int
    validation: tuple[Tree, ...] | None
    epochs: int
    batch_size: int
    validation_batch_size: int | None
    callbacks: tuple[Any, ...] = ()

    @property
    def options(self) -> object:
        """Equal for trainings that one executor can carry out."""
        each = [
            (text_of(one), *(id(value) for value in vars(one).values() if callable(value)))
            for one in self.callbacks
        ]
        return self.validation_batch_size, tuple(each)

    @classmethod
    def of(cls, recorded: RecordedFit) -> "NetworkTraining":
        """The training that a recorded call requests.

        Raises:
            RunsAlone: networks that train together cannot do it.
        """
        given = dict(recorded.arguments)
        if unknown := given.keys() - _ARGUMENTS.keys():
            raise RunsAlone(f"fit is called with {min(unknown)}")
        for name in _UNUSUAL:
            if given[name] != _ARGUMENTS[name]:
                raise RunsAlone(f"fit is called with {name}={given[name]!r}")
        x, y, weight = (given[name] for name in ("x", "y", "sample_weight"))
        if given["class_weight"] is not None:
            if weight is not None or is_branch(y):
                raise RunsAlone("fit is called with class_weight and sample_weight")
            weight = weights_of_classes(y, given["class_weight"])
        arrays = _arrays(x, y, weight)
        rows = num_rows(arrays[0])
        share = float(given["validation_split"] or 0.0)
        validation = given["validation_data"]
        if validation is not None:
            share, validation = 0.0, _validation(validation, len(arrays))
        return cls(
            arrays,
            int(rows * (1.0 - share)) if share else rows,  # as Keras does
            validation,
            int(given["epochs"]),
            32 if given["batch_size"] is None else int(given["batch_size"]),
            given["validation_batch_size"],
            _callbacks(given["callbacks"]),
        )


_ARGUMENTS: Mapping[str, Any] = {
    "x": None,
    "y": None,
    "batch_size": None,
    "epochs": 1,
    "verbose": "auto",
    "callbacks": None,
    "validation_split": 0.0,
    "validation_data": None,
    "shuffle": True,
    "class_weight": None,
    "sample_weight": None,
    "initial_epoch": 0,
    "steps_per_epoch": None,
    "validation_steps": None,
    "validation_batch_size": None,
    "validation_freq": 1,
}
"""The arguments of ``fit`` in their order, with their defaults."""

_WITHOUT_EFFECT = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,  # a training whose loss is not finite ends by itself
)
"""Callbacks that change nothing here."""

_UNUSUAL = ("shuffle", "initial_epoch", "steps_per_epoch", "validation_steps", "validation_freq")
"""Those that have to have their defaults."""


class _Replacement(threading.local):
    """The replacement of ``fit`` of all models, in each thread.

    Attributes:
        handle: carries out calls in this thread; None where they go to Keras.
    """

    handle: Callable[[RecordedFit], bool] | None = None


_replacement = _Replacement()
_lock = threading.Lock()
_undo = ExitStack()
_num_open = 0  # blocks of `handled_fits`, in all threads


@contextmanager
def handled_fits(handle: Callable[[RecordedFit], bool]) -> Iterator[None]:
    """While the block runs, calls of ``fit`` in this thread are handed to a function.

    Args:
        handle: carries out a call, and fills its history. It returns False where it does not; then
            the call goes to Keras. Calls of ``fit`` that it makes itself do so, too.
    """
    global _num_open
    with _lock:
        _num_open += 1
        if _num_open == 1:
            _replace_fit()
    outer, _replacement.handle = _replacement.handle, handle
    try:
        yield
    finally:
        _replacement.handle = outer
        with _lock:
            _num_open -= 1
            if _num_open == 0:
                _undo.close()


def _replace_fit() -> None:
    """Replaces ``fit`` of all models, in all threads, until `_undo` is closed."""
    original = keras.Model.fit

    def fit(model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        handle, _replacement.handle = _replacement.handle, None
        if handle is None:
            return original(model, *args, **kwargs)
        given = {**_ARGUMENTS, **dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
        history = keras.callbacks.History()
        history.set_model(model)
        history.on_train_begin()
        try:
            is_done = handle(RecordedFit(model, given, history))
            return history if is_done else original(model, *args, **kwargs)
        finally:
            _replacement.handle = handle

    if "fit" in vars(keras.Model):
        _undo.callback(setattr, keras.Model, "fit", original)
    else:
        _undo.callback(delattr, keras.Model, "fit")
    keras.Model.fit = fit


def record(estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> RecordedFit:
    """Fits an estimator, whose network is not trained.

    Raises:
        RunsAlone: it does not train one model once.
        Exception: what the estimator raises.
    """
    calls: list[RecordedFit] = []

    def take(call: RecordedFit) -> bool:
        calls.append(call)
        return True

    with handled_fits(take):
        if y is None:
            estimator.fit(X, **fit_params)
        else:
            estimator.fit(X, y, **fit_params)
    if len(calls) != 1:
        what = f"{type(estimator).__name__} calls fit of {len(calls)} Keras models"
        raise RunsAlone(what if calls else "")
    return calls[0]


def _arrays(x: Any, y: Any, weight: Any) -> tuple[Tree, ...]:
    parts = (x, y) if weight is None else (x, y, weight)
    found = tuple(map_leaves(_array, part) for part in parts)
    if len({len(leaf) for _, leaf in leaves(found)}) != 1:
        raise RunsAlone("fit is called with arrays of different lengths")
    return found


def _array(_: str, leaf: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(leaf) if hasattr(leaf, "__array__") or isinstance(leaf, list) else None
    if array is None or array.ndim == 0 or array.dtype.kind not in "biuf":
        raise RunsAlone(f"fit is called with {type(leaf).__name__}, and not with numeric arrays")
    return array


def _callbacks(given: Any) -> tuple[Any, ...]:
    """Callbacks that can be copied for each training and say nothing after it.

    Raises:
        RunsAlone: others, which only ``fit`` calls as their user expects.
    """
    listed = [given] if isinstance(given, keras.callbacks.Callback) else list(given or ())
    flat = [one for each in listed for one in (each if isinstance(each, list) else [each])]
    kept = [one for one in flat if type(one) not in _WITHOUT_EFFECT]
    alone = [name_of(one) for one in kept if needs_fit(one) or type(one) in WRITERS]
    if alone:
        raise RunsAlone(f"fit is called with the callback {alone[0]}")
    return tuple(kept)


def _validation(given: Any, num_parts: int) -> tuple[Tree, ...]:
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise RunsAlone("fit is called with validation_data that are not arrays")
    x, y, *weight = given
    found = _arrays(x, y, weight[0] if weight else None)
    if len(found) < num_parts:  # the rows of training have weights
        found = (*found, np.ones(num_rows(found[0]), np.float32))
    if len(found) > num_parts:
        raise RunsAlone("validation_data has weights, and the training data have none")
    return found
