"""Checks of arguments that users pass: one for each kind of value, so that every argument is
refused in the same way.

Each takes the argument's name first, gives back the value as a plain Python one (numpy's numbers
become ints, floats and bools, so that it can be stored), and raises `InvalidInput` for anything
else.
"""

import math
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core.errors import InvalidInput, shown


def whole_number(name: str, value: Any, at_least: int = 1, *, also: str = "") -> int:
    """A whole number of at least so much, as an int.

    Args:
        name: of the argument, for the message.
        value: an int, or one of numpy's, or anything else that Python takes for an index; no bool
            and no float.
        at_least: the smallest that is accepted.
        also: what else the argument may be, for the message: ``", or a hyperparameter"``.

    Raises:
        InvalidInput: it is something else.
    """
    number = _index(value)
    if number is None or number < at_least:
        raise InvalidInput(
            f"{name} is {shown(value)}", expected=f"a whole number of at least {at_least}{also}"
        )
    return number


def whole_fields(record: object, **at_least: int) -> None:
    """Makes fields of a frozen record plain whole numbers; for its ``__post_init__``.

    Args:
        record: whose fields they are.
        at_least: the smallest value of each; one that is None stays so.

    Raises:
        InvalidInput: one of them is something else.
    """
    for name, least in at_least.items():
        value = getattr(record, name)
        if value is not None:
            object.__setattr__(record, name, whole_number(name, value, least))


def number(name: str, value: Any, expected: str = "a finite number") -> float:
    """A finite real number, as a float.

    Raises:
        InvalidInput: it is something else, a bool included; ``expected`` is what the message asks
            for.
    """
    found = real(value)
    if found is None or not math.isfinite(found):
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def fraction(name: str, value: Any, *, also: str = "") -> float:
    """A number between 0 and 1, both excluded.

    Raises:
        InvalidInput: it is something else.
    """
    expected = f"a fraction between 0 and 1{also}"
    found = number(name, value, expected)
    if not 0 < found < 1:
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def flag(name: str, value: Any, *, also: str = "") -> bool:
    """True or False.

    Raises:
        InvalidInput: it is something else, 0 and 1 and texts included.
    """
    if isinstance(value, bool) or _is_numpy_bool(value):
        return bool(value)
    raise InvalidInput(f"{name} is {shown(value)}", expected=f"True or False{also}")


def path(name: str, value: Any) -> Path:
    """A path.

    Raises:
        InvalidInput: no text or path, or an empty one.
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
    """A mapping from names, as a dict.

    Raises:
        InvalidInput: no mapping, or one with a key that is no text.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidInput(
            f"{name} is {shown(value)}", expected="a mapping from names to values, such as a dict"
        )
    return dict(value)


def real(value: Any) -> float | None:
    """A real number, Python's or numpy's, as a float; None for anything else."""
    if isinstance(value, bool) or _is_numpy_bool(value) or isinstance(value, str | bytes):
        return None
    if isinstance(value, int | float) or (
        getattr(value, "shape", None) == () and hasattr(value, "__float__")
    ):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            return None
    return None


def _index(value: Any) -> int | None:
    if isinstance(value, bool) or _is_numpy_bool(value) or not hasattr(value, "__index__"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_numpy_bool(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return getattr(value, "shape", None) == () and str(dtype) in ("bool", "torch.bool")
