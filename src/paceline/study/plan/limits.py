"""The limits of a session, its seed and its directory, where these are not given."""

import secrets
import tempfile
from pathlib import Path

from paceline.core import Budget, InvalidInput
from paceline.core.checks import whole_number
from paceline.search import Strategy
from paceline.study.resume.existing import Existing

_LEAST_SECONDS = 1.0  # a smaller rest of a time budget is not worth continuing with


def limits_of(
    existing: Existing | None, trials: int | None = None, budget: float | str | None = None
) -> Budget:
    """The limits of a session: those given, else what is left of the study's own.

    Args:
        existing: the existing study; None for a new one.
        trials: the new total, if given.
        budget: that of this session, if given.

    Raises:
        InvalidInput: not a number or a time, or nothing is left.
    """
    if existing is None:
        return Budget.of(trials, budget)
    spent, own = existing.seconds, existing.settings.search
    if trials is None and own.trials is not None:
        trials = max(int(own.trials), len(existing.record.trials))
    if trials is not None or budget is not None or own.seconds is None:
        return Budget.of(trials, budget, spent)
    left = float(own.seconds) - spent
    if left < _LEAST_SECONDS:
        raise InvalidInput(
            f"the time budget of study {existing.directory}, {own.seconds:g} s, is used up",
            expected="a new limit",
            fix="Pass budget='5m' or trials=100 (a total); on the terminal --budget 5m or --trials "
            "100.",
        )
    return Budget(None, left, spent)


def check_limits(strategy: Strategy, limits: Budget) -> None:
    """Checks whether a search will end.

    Raises:
        InvalidInput: neither trials nor a budget was given.
    """
    if not strategy.ends and limits.trials is None and limits.seconds is None:
        raise InvalidInput(
            "neither trials nor budget was given",
            expected="trials=64, budget='5m' or both",
            fix="Only search='grid' ends by itself.",
        )


def seed_of(seed: int | None, existing: Existing | None = None) -> int:
    """The given seed, else that of the existing study, else a new one.

    Raises:
        InvalidInput: not a whole number of at least 0.
    """
    if seed is not None:
        return whole_number("seed", seed, at_least=0)
    return secrets.randbelow(2**31) if existing is None else existing.seed


def fresh_directory() -> Path:
    """An unused name; the directory is created when the study begins."""
    return Path(tempfile.gettempdir()) / f"paceline-{secrets.token_hex(6)}"
