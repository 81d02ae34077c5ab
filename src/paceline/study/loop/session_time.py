"""The time of a session, and how much of it is left for what."""

import time

from paceline.study.planned.protocol import Plan

# Part of a time budget reserved for saving and testing the best model: these seconds, at most this
# fraction.
_SAVING, _RESERVED = 3.0, 0.15
_OF_FINAL = 0.25  # fraction of a time budget reserved for the final
_AT_LEAST = 1.0  # second, for a search without a result: even a small budget runs one trial


class SessionTime:
    """The time since a session began, and its budget.

    Args:
        plan: that of the study.
        began: when the session began, on the monotonic clock.
    """

    def __init__(self, plan: Plan, began: float) -> None:
        self._began, self._budget = began, plan.budget.seconds
        self._has_final = bool(plan.settings.evaluation.num_pairs)

    @property
    def elapsed(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self._began

    def left(self) -> float | None:
        """Seconds left for search and final; None if time is not limited."""
        if self._budget is None:
            return None
        return self._budget - min(_SAVING, self._budget * _RESERVED) - self.elapsed

    def left_for_search(self, has_result: bool) -> float | None:
        """Seconds left for the search; more than none while it has no result."""
        left = self.left()
        if self._budget is None or left is None:
            return None
        left -= self._budget * _OF_FINAL if self._has_final else 0.0
        return left if left > 0 or has_result else _AT_LEAST

    def too_small_note(self) -> str:
        """A note that the whole budget is used up, for a search without a result; else empty."""
        if self._budget is None or self.elapsed < self._budget:
            return ""
        return (
            f"The time budget of {self._budget:g} s does not fit one trial; the study continues "
            "until one has ended."
        )
