"""Keras callbacks among the callbacks of a call: the use of each.

| callback | becomes |
| --- | --- |
| ``CSVLogger``, ``TensorBoard`` | a callback of Paceline that writes what was measured |
| ``History``, ``ProgbarLogger``, ``TerminateOnNaN``, ``BackupAndRestore``, ``SwapEMAWeights`` | \
nothing |
| all others | part of each training, see `paceline.train.keras_callbacks` |
"""

import sys
from collections.abc import Sequence
from typing import Any

from paceline.callbacks.interface import Callback
from paceline.callbacks.keras_files import EpochsCSV
from paceline.callbacks.named import resolved
from paceline.core import InvalidInput, shown
from paceline.exporters.tensorboard_logs import TensorBoard

_PACKAGES = ("keras", "tf_keras", "tensorflow")
_NO_EFFECT = ("History", "ProgbarLogger", "TerminateOnNaN", "BackupAndRestore", "SwapEMAWeights")
_OF_TRAINING = {
    "histogram_freq": 0,
    "write_images": False,
    "write_steps_per_second": False,
    "update_freq": "epoch",
    "embeddings_freq": 0,
    "_should_trace": False,
}
"""Options of Keras's ``TensorBoard`` for what only ``fit`` can write, with their defaults."""


def divided(given: Any) -> tuple[list[Callback], list[Any]]:
    """Paceline's callbacks, and the Keras callbacks that are part of trainings.

    Args:
        given: what a user passed as ``callbacks``.

    Raises:
        InvalidInput: something that is not a callback, one of another Keras, one that cannot be
            copied for each training, or an object twice.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        return resolved(given), []
    own: list[Any] = []
    training: list[Any] = []
    for number, one in enumerate(given):
        if not is_of_keras(one):
            own.append(one)
            continue
        if any(one is other for other in given[:number]):
            raise InvalidInput(
                f"callbacks contains {shown(one)} twice", expected="each object once"
            )
        name = type(one).__name__ if type(one).__module__.startswith("keras.") else ""
        if name == "CSVLogger":
            own.append(EpochsCSV(one.filename, one.sep))
        elif name == "TensorBoard" and _is_plain(one):
            own.append(TensorBoard(one.log_dir))
        elif name not in _NO_EFFECT:
            training.append(one)
    if training:
        from paceline.train.keras_callbacks import check_copyable

        for one in training:
            check_copyable(one)
    return resolved(own), training


def is_of_keras(given: object) -> bool:
    """Whether something is a callback of Keras.

    Raises:
        InvalidInput: it is a class, or a callback of another Keras than the one that is loaded.
    """
    kind = given if isinstance(given, type) else type(given)
    bases = [
        one
        for one in kind.__mro__
        if one.__name__ == "Callback" and one.__module__.partition(".")[0] in _PACKAGES
    ]
    if not bases:
        return False
    if kind is given:
        raise InvalidInput(
            f"callbacks contains the class {kind.__name__}",
            expected="instances",
            fix=f"Pass an instance: {kind.__name__}(...).",
        )
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(given, keras.callbacks.Callback):
        raise InvalidInput(
            f"callbacks contains {kind.__name__} of {kind.__module__.partition('.')[0]} "
            f"({bases[-1].__module__}), which is another Keras",
            expected="a callback of the Keras 3 of the models",
            fix=f"import keras; keras.callbacks.{kind.__name__}(...)",
        )
    return True


def _is_plain(callback: Any) -> bool:
    """Whether a ``TensorBoard`` writes scalars of epochs only."""
    return all(
        getattr(callback, name, default) == default for name, default in _OF_TRAINING.items()
    )
