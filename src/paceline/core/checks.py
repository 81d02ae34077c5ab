"""Validation of arguments: one function for each kind of value.

Each takes the argument's name first, returns the value as a plain Python object (NumPy scalars
become int, float or bool, so that they can be stored), and raises `InvalidInput` for anything else.
"""

import math
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core.errors import InvalidInput, shown


def whole_number(name: str, value: Any, at_least: int = 1, *, also: str = "") -> int:
    """Validates a whole number and returns it as an int.

    Args:
        name: of the argument, for the message.
        value: an int, a NumPy integer, or anything else with ``__index__``; booleans and floats are
            refused.
        at_least: the smallest value that is accepted.
        also: what else the argument may be, for the message: ``", or a hyperparameter"``.

    Raises:
        InvalidInput: not a whole number, or too small.
    """
    number = integer(value)
    if number is None or number < at_least:
        raise InvalidInput(
            f"{name} is {shown(value)}", expected=f"a whole number of at least {at_least}{also}"
        )
    return number


def whole_fields(record: object, **at_least: int) -> None:
    """Validates integer fields of a frozen record in its ``__post_init__``; None stays None.

    Args:
        record: the record.
        at_least: the smallest value of each field, by its name.

    Raises:
        InvalidInput: a field is not a whole number, or too small.
    """
    for name, least in at_least.items():
        value = getattr(record, name)
        if value is not None:
            object.__setattr__(record, name, whole_number(name, value, least))


def number(name: str, value: Any, expected: str = "a finite number") -> float:
    """Validates a finite real number and returns it as a float.

    Raises:
        InvalidInput: not a finite number, or a bool; ``expected`` is part of the message.
    """
    found = real(value)
    if found is None or not math.isfinite(found):
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def fraction(name: str, value: Any, *, also: str = "") -> float:
    """Validates a number between 0 and 1, both excluded.

    Raises:
        InvalidInput: not such a number.
    """
    expected = f"a fraction between 0 and 1{also}"
    found = number(name, value, expected)
    if not 0 < found < 1:
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def flag(name: str, value: Any, *, also: str = "") -> bool:
    """Validates True or False.

    Raises:
        InvalidInput: anything else, 0, 1 and strings included.
    """
    if isinstance(value, bool) or _is_numpy_bool(value):
        return bool(value)
    raise InvalidInput(f"{name} is {shown(value)}", expected=f"True or False{also}")


def is_false(value: Any) -> bool:
    """Whether a value is False, Python's or numpy's."""
    return value is False or (_is_numpy_bool(value) and not value)


def path(name: str, value: Any) -> Path:
    """Validates a path.

    Raises:
        InvalidInput: not a string or path, or an empty one.
    """
    found = value
    if isinstance(value, os.PathLike):
        found = os.fspath(value)
    if not isinstance(found, str) or not found.strip():
        raise InvalidInput(
            f"{name} is {shown(value)}", expected="a path, as a text or a pathlib.Path"
        )
    return Path(found)


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Validates a mapping with string keys and returns it as a dict.

    Raises:
        InvalidInput: not a mapping, or a key is not a string.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidInput(
            f"{name} is {shown(value)}", expected="a mapping from names to values, such as a dict"
        )
    return dict(value)


def real(value: Any) -> float | None:
    """The value as a float if it is a real number; None otherwise.

    Numbers are Python's, and the scalars of NumPy, JAX, PyTorch and TensorFlow.
    """
    is_scalar = getattr(value, "shape", None) == ()
    plain = value.item() if is_scalar and hasattr(value, "item") else value
    if isinstance(plain, bool | complex) or _is_numpy_bool(plain):
        return None
    if isinstance(plain, int | float) or (is_scalar and hasattr(plain, "__float__")):
        try:
            return float(plain)
        except (TypeError, ValueError, OverflowError):
            return None
    return None


def integer(value: Any) -> int | None:
    """The value as an int if it is a whole number of a type for these; None otherwise."""
    if isinstance(value, bool) or _is_numpy_bool(value) or not hasattr(value, "__index__"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_numpy_bool(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return getattr(value, "shape", None) == () and str(dtype) in ("bool", "torch.bool")
