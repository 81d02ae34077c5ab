"""Networks of one configuration, such as a final's with its many seeds, whose step need not be
traced again.

Tracing is four fifths of what preparing a network takes. The step of a model that is all Keras's
own is a function of what the model says of itself; so two models of one configuration that say the
same have the same step, whatever their seeds and weights.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

_OWN = ("Sequential", "Functional")
# They hold a function, or what they learnt from data, and do not say it.
_SILENT = {
    "Lambda",
    "Normalization",
    "Discretization",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
}


def description(model: keras.Model) -> str | None:
    """A hash of all that the model and its optimizer, loss and metrics say of themselves but seeds.

    None where a part is not Keras's own, such as a custom layer, a function or a subclass: it may
    do what it does not say.
    """
    if type(model).__name__ not in _OWN or not type(model).__module__.startswith("keras."):
        return None
    try:
        # Keras writes a lambda as its code, without what the code refers to, and warns of it
        with warnings.catch_warnings(action="error", category=UserWarning):
            said = list(_said((model.get_config(), model.get_compile_config())))
    except Exception:  # it cannot be written down, or not all of it
        return None
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


def _said(value: Any) -> Iterator[object]:
    """All values in order.

    Raises:
        ValueError: of something that is not Keras's own.
    """
    if isinstance(value, Mapping):
        _check_own(value)
        for key, item in value.items():
            if key != "seed":
                yield str(key)
                yield from _said(item)
    elif isinstance(value, list | tuple):
        yield len(value)
        for item in value:
            yield from _said(item)
    elif isinstance(value, np.ndarray):
        yield value.shape
        yield value.tobytes()
    elif value is None or isinstance(value, str | bool | int | float):
        yield value
    else:
        raise ValueError(f"{value!r} says nothing of itself")


def _check_own(described: Mapping[str, Any]) -> None:
    kind, module = described.get("class_name"), described.get("module")
    if kind is None or (module is None and str(kind).startswith("__")):
        return
    if kind in _SILENT or not f"{module}.".startswith("keras."):
        raise ValueError(f"{kind} is not Keras's own")
