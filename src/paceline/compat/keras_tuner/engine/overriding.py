"""Whether a user has replaced methods of a tuner."""

import inspect
from typing import Any

_OURS = "paceline.compat.keras_tuner"


def is_overridden(instance: Any, name: str) -> bool:
    """Whether a method of an object of this interface is the user's own."""
    if name in vars(instance):
        return True
    found = inspect.getattr_static(type(instance), name, None)
    module = getattr(found, "__module__", None) or ""
    return found is not None and module.partition(f"{_OURS}.")[1] == "" and module != _OURS


def first_overridden(instance: Any, names: tuple[str, ...]) -> str | None:
    """The first of some methods that is the user's own; None if none is."""
    return next((name for name in names if is_overridden(instance, name)), None)
