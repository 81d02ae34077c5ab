"""Limits of a study, in trials and in wall time."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.core.checks import real, whole_fields
from paceline.core.errors import InvalidInput, shown

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "k": 2**10,
    "m": 2**20,
    "g": 2**30,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_LEAST_BYTES = 2**12  # a smaller number probably lacks its unit
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def _amount(text: str, units: Mapping[str, float]) -> float | None:
    """Sum of ``<number><unit>`` parts, as in ``"1h30m"``; None if the text has another form."""
    cleaned = text.strip().lower()
    parts = _PART.findall(cleaned)
    if not parts or _PART.sub("", cleaned).strip() or any(unit not in units for _, unit in parts):
        return None
    return sum(float(number) * units[unit] for number, unit in parts)


def parse_seconds(budget: float | str, name: str = "budget") -> float:
    """Converts ``90``, ``"90"``, ``"5m"``, ``"1h30m"`` or ``"2 d"`` to seconds.

    Args:
        budget: seconds, or a text with units.
        name: of the argument, for the error message.

    Raises:
        InvalidInput: not a duration, or not positive; booleans are refused.
    """
    seconds = _amount(budget, _SECONDS) if isinstance(budget, str) else real(budget)
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        expected = "a positive time such as '90s', '5m', '1h30m' or seconds"
        raise InvalidInput(f"{name} is {shown(budget)}", expected=expected)
    return seconds


def parse_bytes(memory: int | str, name: str = "memory") -> int:
    """Converts ``2**30``, ``"8GiB"`` or ``"500 MB"`` to bytes.

    Args:
        memory: bytes, or a text with units.
        name: of the argument, for the error message.

    Raises:
        InvalidInput: not an amount of memory, or less than 4 KiB.
    """
    amount = _amount(memory, _BYTES) if isinstance(memory, str) else real(memory)
    if amount is None or not math.isfinite(amount) or amount < _LEAST_BYTES:
        expected = "an amount of at least 4 KiB, such as '8GiB', '500MB' or a number of bytes"
        raise InvalidInput(f"{name} is {shown(memory)}", expected=expected)
    return int(amount)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in trials, in seconds of wall time, or both; the study ends at the first one reached.

    Attributes:
        trials: maximum number of trials in total, earlier sessions included; None for no limit.
        seconds: wall time of this session; None for no limit.
        spent: seconds of earlier sessions.
    """

    trials: int | None = None
    seconds: float | None = None
    spent: float = 0.0

    def __post_init__(self) -> None:
        whole_fields(self, trials=1)

    @classmethod
    def of(cls, trials: Any, budget: Any, spent: float = 0.0) -> "Budget":
        """Makes a budget of what the user passed.

        Raises:
            InvalidInput: not a number of trials, or not a duration.
        """
        return cls(trials, None if budget is None else parse_seconds(budget), spent)

    @property
    def total_seconds(self) -> float | None:
        """Wall time of all sessions, this one included; None for no limit."""
        return None if self.seconds is None else self.spent + self.seconds
