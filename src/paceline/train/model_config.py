"""Reads from a model's configuration whether it has the same steps as another one.

Tracing takes four fifths of the time to prepare a network. If a model consists of Keras's own
classes only, its configuration determines its steps: two models with equal configurations have the
same steps, whatever their seeds and weights, and in two models whose configurations differ in
floats only, those floats can usually be found among the constants of their steps.
"""

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import keras
import numpy as np

from paceline.train.isolation import global_state_of

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
_SIZES = {"units", "filters", "output_dim", "num_heads", "key_dim", "value_dim"}
_SHAPES = frozenset({"build_config", "shape"})  # of tensors between layers, which follow from sizes
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The configurations of a model, its optimizer, loss and metrics, without seeds.

    Attributes:
        exact: a hash of them.
        structure: a hash of them and of Keras's settings without the values of floats. Floats that
            often leave a part of a network out, such as a rate of 0, count with their value, others
            with their sign and whether they are larger than 1.
        family: the same as ``structure`` without the values of whole numbers that are sizes of
            layers, such as numbers of units.
        numbers: all floats and whole numbers, by their place in the configuration.
        sizes: the lengths of the axes of all weights and their products: means are divided by them.
    """

    exact: str
    structure: str
    family: str
    numbers: Mapping[str, float]
    sizes: Mapping[str, float]


def model_config(model: keras.Model) -> ModelConfig | None:
    """Reads the configuration of a compiled model that has all its variables.

    None if a part is not Keras's own, such as a custom layer, a function or a subclass: its
    configuration may be incomplete.
    """
    if type(model).__name__ not in _MODEL_CLASSES or not type(model).__module__.startswith(
        "keras."
    ):
        return None
    try:
        # Keras serializes a lambda without what its code refers to, and warns
        with global_state_of(model), warnings.catch_warnings(action="error", category=UserWarning):
            values = list(_values((model.get_config(), model.get_compile_config())))
            everything = [*values, *_values(_keras_settings(), ("keras",))]
    except Exception:  # it cannot be serialized, or only in part
        return None
    return ModelConfig(
        exact=_hash([value for _, value in values]),
        structure=_hash([_without_value(value) for _, value in everything]),
        family=_hash(
            ["size" if _is_size(*pair) else _without_value(pair[1]) for pair in everything]
        ),
        numbers={".".join(map(str, path)): float(v) for path, v in everything if _is_number(v)},
        sizes=_sizes(model),
    )


def _keras_settings() -> dict[str, Any]:
    """Settings of Keras that steps depend on and that layers and losses do not serialize."""
    return {
        "epsilon": keras.config.epsilon(),
        "floatx": keras.config.floatx(),
        "image_data_format": keras.config.image_data_format(),
        "dtype_policy": keras.config.dtype_policy().name,
    }


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(path: _Path, value: object) -> bool:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return is_integer and (path[-1] in _SIZES or not _SHAPES.isdisjoint(path))


def _sizes(model: keras.Model) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for number, variable in enumerate(model.variables):
        shape = tuple(variable.shape)
        sizes |= {f"weights.{number}.{axis}": float(size) for axis, size in enumerate(shape)}
        sizes[f"weights.{number}"] = float(math.prod(shape))
    return sizes


def _without_value(value: object) -> object:
    if not isinstance(value, float) or not math.isfinite(value) or value in (0.0, 1.0, -1.0):
        return value
    return ("float", value < 0, abs(value) > 1)


def _hash(values: list[object]) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()


def _values(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, object]]:
    """All values in order, each with its place.

    Raises:
        ValueError: for objects that are not Keras's own.
    """
    if isinstance(value, Mapping):
        _check_own(value)
        for key, item in value.items():
            if key != "seed":
                yield path, str(key)
                yield from _values(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        yield path, f"{len(value)} items"
        for number, item in enumerate(value):
            yield from _values(item, (*path, number))
    elif isinstance(value, np.ndarray):
        yield path, f"{value.shape} {value.tobytes().hex()}"
    elif value is None or isinstance(value, str | bool | int | float):
        yield path, value
    else:
        raise ValueError(f"{value!r} has no configuration")


def _check_own(config: Mapping[str, Any]) -> None:
    kind, module = config.get("class_name"), config.get("module")
    if kind is None or (module is None and str(kind).startswith("__")):
        return
    if kind in _INCOMPLETE or not f"{module}.".startswith("keras."):
        raise ValueError(f"{kind} is not Keras's own")
