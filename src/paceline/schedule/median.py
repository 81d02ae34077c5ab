"""The median stopping rule.

Golovin et al., "Google Vizier: a service for black-box optimization" (KDD 2017), section 3.2.2: a
trial is stopped at epoch r if its best objective so far is worse than the median of the other
trials' running averages up to r.
"""

import bisect
import math
from dataclasses import dataclass
from typing import ClassVar

from paceline.core import Action, Decision
from paceline.core.checks import whole_fields
from paceline.schedule.schedule import Schedule, epochs_of, register, without_number
from paceline.schedule.standings import Standings


@register
@dataclass(frozen=True, slots=True)
class Median(Schedule):
    """Stops a trial, after any epoch, if its best loss is worse than the median of the others.

    Here the others are all trials that reached the epoch, and not only completed ones as in the
    paper: when many trials train together, many reach an epoch long before one is complete.

    Attributes:
        grace: number of epochs before the first decision, at least 1.
        others: minimum number of other trials that reached the epoch, at least 1.

    Raises:
        InvalidInput: not such a number.
    """

    name: ClassVar[str] = "median"

    grace: int = 3
    others: int = 5

    def __post_init__(self) -> None:
        whole_fields(self, grace=1, others=1)

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """Every epoch from ``grace`` on."""
        return (*range(self.grace, epochs), epochs)

    def decide(self, standings: Standings, number: int) -> Decision:
        """CONTINUE or STOP."""
        if (stopped := without_number(standings, number)) is not None:
            return stopped
        standing = standings[number]
        averages, after = standings.averages(standing.epoch), epochs_of(standing.epoch)
        count = len(averages) - 1
        if count < self.others:
            return Decision(
                number,
                Action.CONTINUE,
                f"{count} others have trained {after}, fewer than {self.others}",
            )
        best = min(loss for loss in standing.losses if math.isfinite(loss))
        own = bisect.bisect_left(averages, (standings.average(number), number))
        # the middle of a sorted list without one of its entries
        low, high = (averages[k + (k >= own)][0] for k in ((count - 1) // 2, count // 2))
        compared = f"the median of {count:,} others' averages over {after}"
        if best > (low + high) / 2:
            return Decision(number, Action.STOP, f"its best so far is worse than {compared}")
        return Decision(number, Action.CONTINUE, f"its best so far is no worse than {compared}")
