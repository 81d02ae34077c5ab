"""Trials that are withdrawn from training since their constants or their program are wrong."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate

REASON = (
    "its results are in doubt: a check of a similar network has shown that its constants, which "
    "were predicted from its configuration, or the compiled model that it shared with networks of "
    "other sizes, may be wrong; please report this"
)


@dataclass(eq=False)
class WithdrawnTrials:
    """Fails trials while they train, and suppresses what is reported of them afterwards."""

    _numbers: set[int] = field(default_factory=set)

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def add(self, wrong: Sequence[int], running: Collection[int]) -> ExecutorUpdate:
        """Withdraws trials; returns the update that says so.

        Args:
            wrong: the trials.
            running: those that have not ended, and others.
        """
        failed = [number for number in wrong if number in running]
        self._numbers.update(failed)
        return ExecutorUpdate(
            tuple(TrialEnded(n, TrialState.FAILED, None, None, REASON) for n in failed),
            wrong=tuple(number for number in wrong if number not in running),
        )

    def without(self, update: ExecutorUpdate) -> ExecutorUpdate:
        """An update of the training without what concerns withdrawn trials."""
        if not self._numbers:
            return update
        return replace(
            update,
            events=tuple(event for event in update.events if not self._is_of_one(event)),
            results={n: one for n, one in update.results.items() if n not in self},
            snapshots={n: one for n, one in update.snapshots.items() if n not in self},
        )

    def _is_of_one(self, event: Event) -> bool:
        return (
            isinstance(event, TrialStarted | EpochMeasured | TrialPaused | TrialEnded)
            and event.number in self
        )
