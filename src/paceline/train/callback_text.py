"""Keras callbacks as text, such as ``EarlyStopping(monitor='val_loss', patience=3)``, and back.

The text stands for a callback in a study's settings. It has the arguments that differ from their
defaults and whose values are known: those of Keras's own classes, and of others the numbers.
"""

import ast
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.callbacks import Callback, EarlyStopping, ReduceLROnPlateau

from paceline.train.keras_callbacks import WRITERS, name_of, needs_fit

_NO_EFFECT = ("verbose",)


def texts_of(callbacks: Sequence[Callback]) -> list[str]:
    """The callbacks that affect training as texts; the others only write files of a call."""
    return [text_of(one) for one in callbacks if type(one) not in WRITERS]


def text_of(callback: Callback) -> str:
    """A callback as text."""
    plain: tuple[type, ...] = (bool, int, float)
    if not needs_fit(callback):
        plain = (*plain, str, type(None))
    arguments = []
    for name, default in _parameters(type(callback)).items():
        value = vars(callback).get(name)
        value = value.item() if isinstance(value, np.generic) else value
        if name == "min_delta" and isinstance(value, int | float):
            value = abs(value)  # Keras changes its sign when the callback is used
        differs = name == "monitor" or not (type(value) in plain and value == default)
        if name in vars(callback) and type(value) in plain and differs:
            arguments.append(f"{name}={value!r}")
        elif callable(value) and hasattr(value, "__name__"):
            arguments.append(f"{name}={value.__name__}")
    return f"{name_of(callback)}({', '.join(arguments)})"


def callback_of(text: str) -> Callback | None:
    """The callback that a text stands for; None if the text does not say everything about it."""
    call = ast.parse(text, mode="eval").body
    known = {one.__name__: one for one in (EarlyStopping, ReduceLROnPlateau)}
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    kind = known.get(call.func.id)
    if kind is None:
        return None
    try:
        return kind(**{one.arg: ast.literal_eval(one.value) for one in call.keywords if one.arg})
    except (TypeError, ValueError):
        return None


def _parameters(kind: type) -> dict[str, Any]:
    """The parameters of a class's constructor with their defaults."""
    try:
        signature = inspect.signature(kind)
    except (TypeError, ValueError):
        return {}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: one.default
        for name, one in signature.parameters.items()
        if one.kind in kinds and name not in _NO_EFFECT
    }
