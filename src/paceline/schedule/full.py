"""No early stopping: every trial trains to its end."""

from dataclasses import dataclass
from typing import ClassVar

from paceline.core import Action, Decision
from paceline.schedule.base import Schedule, Standings, register


@register
@dataclass(frozen=True, slots=True)
class Full(Schedule):
    """Every trial trains all its epochs."""

    name: ClassVar[str] = "full"

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """The end alone."""
        return (epochs,)

    def decide(self, standings: Standings, number: int) -> Decision:  # noqa: ARG002
        """Goes on; it is never asked in a study."""
        return Decision(number, Action.CONTINUE, "every trial trains to its end")
