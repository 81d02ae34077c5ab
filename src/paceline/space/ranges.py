"""Checks shared by the numeric hyperparameters: bounds, steps and sampling."""

import math
from typing import Literal, get_args

from paceline.core import InvalidInput, checks, shown
from paceline.space.hyperparameter import plain

Sampling = Literal["linear", "log", "reverse_log"]

NAMES = ("name", "min_value", "max_value", "step", "sampling", "default", "conditions")
"""Arguments of a numeric hyperparameter, in positional order."""

MOST_VALUES = 2**40
"""Largest number of values of a discrete range."""


def whole(value: object, what: str) -> int:
    """Validates a whole number, also one given as a float, and returns it as an int."""
    value = plain(value)
    is_whole_float = isinstance(value, float) and value.is_integer()
    found = checks.integer(int(value) if is_whole_float else value)  # type: ignore[call-overload]
    if found is None:
        raise InvalidInput(f"{what} is {shown(value)}", expected="a whole number")
    return found


def finite(value: object, what: str) -> float:
    """Validates a finite number and returns it as a float."""
    return checks.number(what, value) + 0.0  # no negative zero


def read_sampling(given: object, named: str) -> Sampling:
    """Validates the name of a sampling, in any case; None is linear."""
    name = "linear" if given is None else str(given).lower()
    for known in get_args(Sampling):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise InvalidInput(
        f"sampling of {named} is {given!r}", expected="'linear', 'log' or 'reverse_log'"
    )


def check_range(
    named: str, low: float, high: float, step: float | None, sampling: Sampling
) -> None:
    """Checks bounds and step; ``named`` names the hyperparameter in messages."""
    if low > high:
        raise InvalidInput(
            f"{named} has min_value={low} above max_value={high}", expected="min_value <= max_value"
        )
    if not math.isfinite(float(high) - float(low)):
        raise InvalidInput(
            f"{named} spans {low} to {high}", expected="a range whose width is a finite float"
        )
    if sampling != "linear" and low <= 0:
        fix = "Use sampling='linear', or raise min_value."
        raise InvalidInput(
            f"{named} has sampling={sampling!r} and min_value={low}",
            expected="min_value > 0",
            fix=fix,
        )
    least = 0 if sampling == "linear" else 1
    if step is not None and step <= least:
        meaning = "is added" if sampling == "linear" else "multiplies"
        fix = f"With sampling={sampling!r} the step {meaning}."
        raise InvalidInput(f"{named} has step={step}", expected=f"a step > {least}", fix=fix)


def describe_range(low: float, high: float, step: float | None, sampling: Sampling) -> str:
    """The values of a range as text, for messages."""
    if step is None or (step == 1 and sampling == "linear" and isinstance(step, int)):
        return f"a number from {low} to {high}"
    times = "" if sampling == "linear" else "times "
    return f"a number from {low} to {high} in steps of {times}{step}"
