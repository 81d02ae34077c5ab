"""How much a study may spend, in trials or in time."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from paceline.core.errors import InvalidInput

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "k": 2**10, "m": 2**20, "g": 2**30, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def _amount(text: str, units: Mapping[str, float]) -> float | None:
    """Sum of ``<number><unit>`` parts, as in ``"1h30m"``; None where the text is something else."""
    cleaned = text.strip().lower()
    parts = _PART.findall(cleaned)
    if not parts or _PART.sub("", cleaned).strip() or any(unit not in units for _, unit in parts):
        return None
    return sum(float(number) * units[unit] for number, unit in parts)


def parse_seconds(budget: float | str, name: str = "budget") -> float:
    """Seconds in ``90``, ``"90"``, ``"5m"``, ``"1h30m"`` or ``"2 d"``; ``name`` is what an error calls it.

    Raises:
        InvalidInput: not a duration, or not positive.
    """
    seconds = _amount(budget, _SECONDS) if isinstance(budget, str) else float(budget)
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        raise InvalidInput(f"{name} is {budget!r}", expected="a positive time such as '90s', '5m', '1h30m' or seconds")
    return seconds


def parse_bytes(memory: int | str, name: str = "memory") -> int:
    """Bytes in ``2**30``, ``"8GiB"`` or ``"500 MB"``; ``name`` is what an error calls it.

    Raises:
        InvalidInput: not an amount of memory, or not positive.
    """
    amount = _amount(memory, _BYTES) if isinstance(memory, str) else float(memory)
    if amount is None or not math.isfinite(amount) or amount < 1:
        raise InvalidInput(f"{name} is {memory!r}", expected="an amount such as '8GiB', '500MB' or a number of bytes")
    return int(amount)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in trials, in seconds of wall time, or both; whichever is met first.

    Attributes:
        trials: how many trials the study may hold in total, earlier sessions included; None for no limit.
        seconds: wall time of this session; None for no limit.
    """

    trials: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise InvalidInput(f"trials is {self.trials}", expected="a whole number of at least 1")
