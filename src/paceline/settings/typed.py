"""Parsing and formatting of values typed on the command line."""

from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.space import Choice


def loop_numbers(name: str, text: str) -> int | Choice:
    """Parses ``"32"`` as a number, ``"32,64"`` as a choice.

    Raises:
        InvalidInput: anything else.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(
            f"{name} is {text!r}",
            expected=f"a whole number of at least 1, or several to choose from: "
            f"--{name.replace('_', '-')} 32,64",
        ) from None
    return numbers[0] if len(numbers) == 1 else Choice(numbers, name=name)


def class_weights(text: str) -> dict[str, float] | str:
    """Parses ``"no=1,yes=5"`` as ``{"no": 1.0, "yes": 5.0}``; keeps ``"balanced"``.

    Raises:
        InvalidInput: anything else, or a class given twice.
    """
    if text.strip() == "balanced":
        return "balanced"
    given = [pair.rpartition("=") for pair in text.split(",")]
    try:
        weights = {name.strip(): float(weight) for name, _, weight in given if name.strip()}
    except ValueError:
        weights = {}
    if len(weights) < len(given):
        raise InvalidInput(
            f"--class-weight is {text!r}",
            expected="each class once with its weight, such as --class-weight 0=1,1=5, or balanced",
        )
    return weights


def typed_weights(weights: Any) -> str | None:
    """The inverse of `class_weights`; None where a class's name cannot be typed."""
    if isinstance(weights, str):
        return weights
    named = weights if isinstance(weights, Mapping) else dict(enumerate(weights))
    if any("," in str(name) for name in named):
        return None
    return ",".join(f"{name}={str(weight).removesuffix('.0')}" for name, weight in named.items())


def typed_value(value: object) -> str:
    """Formats a hyperparameter's value."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def untyped_value(text: str) -> int | float | bool | str:
    """A typed value of unknown type: ``"3"``, ``"0.5"`` and ``"yes"`` are
    not texts.
    """
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)


def fraction_or_path(text: str) -> float | str:
    """Parses ``"0.2"`` as a number, anything else as a path."""
    try:
        return float(text)
    except ValueError:
        return text


def text_modes(text: str) -> str | dict[str, str]:
    """Parses ``"tfidf"`` as it is, ``"title=tfidf,review=sequences"`` as a mode by column.

    Raises:
        InvalidInput: a column without a mode.
    """
    if "=" not in text:
        return text
    given = [pair.rpartition("=") for pair in text.split(",")]
    modes = {name.strip(): mode.strip() for name, _, mode in given if name.strip()}
    if len(modes) < len(given):
        raise InvalidInput(
            f"--texts is {text!r}",
            expected="one mode, or each column once with its mode, such as --texts title=tfidf",
        )
    return modes


def typed_text_modes(modes: Any) -> str | None:
    """The inverse of `text_modes`; None where a column's name cannot be typed."""
    if isinstance(modes, str):
        return modes
    if any("," in name for name in modes):
        return None
    return ",".join(f"{name}={mode}" for name, mode in modes.items())
