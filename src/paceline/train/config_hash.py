"""Hashes a model's configuration, to find models with the same steps, which need no second trace.

Tracing takes four fifths of the time to prepare a network. If a model consists of Keras's own
classes only, its configuration determines its steps, so two models with equal configurations have
the same steps, whatever their seeds and weights.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

_MODEL_CLASSES = ("Sequential", "Functional")
# Their configuration lacks a function or state learned from data.
_INCOMPLETE = {
    "Lambda",
    "Normalization",
    "Discretization",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
}


def config_hash(model: keras.Model) -> str | None:
    """A hash of the configurations of the model, its optimizer, loss and metrics, without seeds.

    None if a part is not Keras's own, such as a custom layer, a function or a subclass: its
    configuration may be incomplete.
    """
    if type(model).__name__ not in _MODEL_CLASSES or not type(model).__module__.startswith(
        "keras."
    ):
        return None
    try:
        # Keras serializes a lambda without what its code refers to, and warns
        with warnings.catch_warnings(action="error", category=UserWarning):
            values = list(_values((model.get_config(), model.get_compile_config())))
    except Exception:  # it cannot be serialized, or only in part
        return None
    return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()


def _values(value: Any) -> Iterator[object]:
    """All values in order.

    Raises:
        ValueError: for objects that are not Keras's own.
    """
    if isinstance(value, Mapping):
        _check_own(value)
        for key, item in value.items():
            if key != "seed":
                yield str(key)
                yield from _values(item)
    elif isinstance(value, list | tuple):
        yield len(value)
        for item in value:
            yield from _values(item)
    elif isinstance(value, np.ndarray):
        yield value.shape
        yield value.tobytes()
    elif value is None or isinstance(value, str | bool | int | float):
        yield value
    else:
        raise ValueError(f"{value!r} has no configuration")


def _check_own(config: Mapping[str, Any]) -> None:
    kind, module = config.get("class_name"), config.get("module")
    if kind is None or (module is None and str(kind).startswith("__")):
        return
    if kind in _INCOMPLETE or not f"{module}.".startswith("keras."):
        raise ValueError(f"{kind} is not Keras's own")
