"""Values passed in a call or stored; values from memory were not stored and are required."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core import InvalidInput
from paceline.core.checks import mapping
from paceline.settings.description import Settings
from paceline.settings.rules import FromMemory

BUILD_AGAIN = "build=...; on the terminal: --build FILE.PY:NAME"
DATA_AGAIN = "data=..."
FROM_PYTHON = " from Python (the command line cannot take it)"


def again(name: str, given: Any, stored: Any, how: str, directory: Path) -> Any:
    """The given value, else the stored one.

    Raises:
        InvalidInput: there is neither, since it was passed from memory.
    """
    value = stored if given is None else given
    if value is None and name in ("build", "function"):  # a new study
        raise InvalidInput(f"build is {value}", expected="a function of hp")
    if isinstance(value, FromMemory) or (value is None and name not in ("validation",)):
        raise InvalidInput(
            f"the {name} of study {directory} was passed from memory, so it was not stored",
            expected=f"that {name} again",
            fix=f"Pass it with {how}.",
        )
    return value


def fixed_values(given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Hyperparameters that are not tuned, with their values."""
    if "fixed" not in given:
        return dict(settings.function.fixed)
    return {} if given["fixed"] is None else mapping("fixed", given["fixed"])


def absolute(text: str) -> str:
    """``"model.py:build"`` with the absolute path of the file."""
    file, _, name = text.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{name}"


def name_of(function: Any) -> str:
    """The name of a function."""
    return str(getattr(function, "__name__", type(function).__name__))
