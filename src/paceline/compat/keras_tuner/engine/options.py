"""Warnings that are given once, and arguments that are not known."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput, StudyWarning, did_you_mean
from paceline.core.deprecation import depth_of_caller

_UNUSED = {
    "distribution_strategy": "Paceline uses all devices of this machine by itself.",
    "tuner_id": "Paceline needs no name for a tuner.",
}

said: set[str] = set()
"""What warnings were about so far: each is given once per process."""


def warn_once(about: str, message: str) -> None:
    """Warns, unless it was done before in this process."""
    if about not in said:
        said.add(about)
        warnings.warn(message, StudyWarning, stacklevel=depth_of_caller())


def warn_unused(tuner: Any, **given: Any) -> None:
    """Warns of arguments of a tuner that are given and have no effect."""
    for name, value in given.items():
        if value is not None:
            text = f"{name} has no effect in {type(tuner).__name__}. {_UNUSED[name]}"
            warn_once(name, text)


def check_unknown(tuner: type, given: Mapping[str, Any]) -> None:
    """Refuses arguments that no constructor of a tuner has taken.

    Raises:
        InvalidInput: there are some; suggests the nearest ones.
    """
    if not given:
        return
    known = dict.fromkeys(
        name
        for kind in tuner.__mro__
        if "__init__" in vars(kind)
        for name, one in inspect.signature(kind).parameters.items()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    )
    fix = " ".join(filter(None, (did_you_mean(name, known) for name in given)))
    raise InvalidInput(
        f"Unrecognized arguments {', '.join(given)} of {tuner.__name__}",
        expected="its arguments alone",
        fix=f"{fix} They are: {', '.join(known)}.".strip(),
    )
