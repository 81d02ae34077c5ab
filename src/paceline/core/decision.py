"""Decisions of a schedule about trials."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """The outcome of a decision about a trial."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Decision:
    """A schedule's decision about one trial.

    Attributes:
        trial: the trial's number.
        action: whether it continues, is paused or is stopped.
        reason: why, as a sentence without full stop: ``"rank 5 of 12 after 3 epochs, the top 4
            continue"``.
    """

    trial: int
    action: Action
    reason: str
