"""Recognises generators, functions that return them, and other iterables of batches."""

import functools
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.data.batch_sources import BatchSource

_NOT_BATCHES = ("builtins", "numpy", "pathlib", "paceline", "pandas", "polars", "pyarrow", "scipy")
"""Packages whose iterable objects are not iterables of batches."""


def iterable_source(data: Any) -> BatchSource | None:
    """The batches of a generator, of a function that returns one, or of another iterable.

    None if the object is none of them.
    """
    if inspect.isfunction(data) or inspect.ismethod(data) or isinstance(data, functools.partial):
        return BatchSource(_named(data), functools.partial(_started, data))
    if isinstance(data, Iterator):
        return BatchSource(_named(data), lambda: data, is_single=True)
    is_other = isinstance(data, str | bytes | os.PathLike | Mapping | type)
    is_array = hasattr(data, "shape") or hasattr(data, "__array__") or hasattr(data, "columns")
    known = type(data).__module__.partition(".")[0] in _NOT_BATCHES
    if is_other or is_array or known or not isinstance(data, Iterable):
        return None
    return BatchSource(type(data).__name__, lambda: iter(data), length_of(data))


def _started(function: Any) -> Iterator[Any]:
    found = function()
    if not isinstance(found, Iterator):
        if not isinstance(found, Iterable) or isinstance(found, str | bytes | Mapping):
            raise InvalidInput(
                f"data is {_named(function)}, which returns a {type(found).__name__}",
                expected="a function that returns an iterator of batches (x, y)",
            )
        found = iter(found)
    return found


def _named(data: Any) -> str:
    function = data.func if isinstance(data, functools.partial) else data
    name = getattr(function, "__name__", None)
    kind = "generator" if inspect.isgenerator(data) or inspect.isfunction(function) else "iterator"
    return type(data).__name__ if name is None else f"{kind} {name}"


def length_of(data: Any) -> int | None:
    """The length of an object; None if it has none."""
    try:
        return len(data)
    except (TypeError, NotImplementedError, AttributeError):
        return None
