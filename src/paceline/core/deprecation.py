"""Deprecation: earlier names keep working, and a warning says what to write instead.

The warnings are ``FutureWarning``, as in scikit-learn: Python shows them by default, wherever the
call stands. They point at the line that called Paceline, however many of its own functions lie
between.
"""

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from paceline.core.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")


def warn_deprecated(what: str, instead: str) -> None:
    """Warns the caller of Paceline that something is deprecated.

    Args:
        what: what was used, as the user writes it: ``"tune(study=...)"``.
        instead: what to write in its place: ``"tune(directory=...)"``.
    """
    message = f"{what} is deprecated and will be removed; write {instead} instead."
    warnings.warn(message, FutureWarning, stacklevel=depth_of_caller())


def deprecated(instead: str, *, what: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator of a function that keeps working under an earlier name, and warns when called.

    Args:
        instead: what to write in its place: ``"paceline.optimize(...)"``.
        what: the function as the user writes it; its own name where this is left out.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            warn_deprecated(what or f"{function.__name__}()", instead)
            return function(*args, **given)

        return call

    return decorate


def renamed_arguments(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator of a function whose arguments were renamed: the earlier names are accepted.

    Args:
        names: the new name of each argument by its earlier one: ``study="directory"``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        called = function.__name__

        @wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            for old in [name for name in names if name in given]:
                new = names[old]
                if new in given:
                    raise InvalidInput(
                        f"{called} was given both {new} and {old}, its earlier name",
                        expected=f"{new} alone",
                    )
                warn_deprecated(f"{called}({old}=...)", f"{called}({new}=...)")
                given[new] = given.pop(old)
            return function(*args, **given)

        return call

    return decorate


def depth_of_caller() -> int:
    """``stacklevel`` of the nearest frame outside of this package, as seen by the function that
    calls this; a frame of a context manager used as a decorator is not such a frame.
    """
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        depth, frame = depth + 1, frame.f_back
    return depth


def _is_inside(module: str) -> bool:
    return module.startswith("paceline.") or module == "contextlib"
