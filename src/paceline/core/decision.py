"""What a schedule decides about a trial, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What happens to a trial at the end of a tick."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Decision:
    """A schedule's word on one trial.

    Attributes:
        trial: its number.
        action: what happens to it.
        reason: why, as a sentence without its full stop: ``"rank 5 of 12 after 3 epochs, the top 4
            go on"``.
    """

    trial: int
    action: Action
    reason: str
