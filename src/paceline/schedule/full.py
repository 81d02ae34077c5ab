"""No early stopping."""

from dataclasses import dataclass
from typing import ClassVar

from paceline.core import Action, Decision
from paceline.schedule.schedule import Schedule, register
from paceline.schedule.standings import Standings


@register
@dataclass(frozen=True, slots=True)
class Full(Schedule):
    """Every trial trains all its epochs."""

    name: ClassVar[str] = "full"

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """The last epoch."""
        return (epochs,)

    def decide(self, standings: Standings, number: int) -> Decision:  # noqa: ARG002
        """CONTINUE; studies never call it."""
        return Decision(number, Action.CONTINUE, "every trial trains to its end")
