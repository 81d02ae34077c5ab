"""The base class of schedules: which trials continue, pause or stop.

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| r | rung: a number of epochs after which trials are compared |
| eta | reduction factor: one in eta of the trials at a rung is promoted |
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Self

from paceline.core import Action, Decision, InvalidInput, Registry, reading_state, subclass_of
from paceline.schedule.standings import Standings


@dataclass(frozen=True, slots=True)
class Schedule(ABC):
    """Decides which trials continue, pause or stop. Frozen and stateless.

    All decisions follow from the standings that are passed.

    Guarantees of every schedule (``paceline.testing.schedules.ScheduleContract`` checks them):

    - `rungs` ascend and end with the trial's full training; they depend only on the trial's number
      and R.
    - `decide` is called when a trial has reached one of its rungs, except the last; it returns a
      decision about that trial.
    - `review` is called after `decide`, once for all trials that reached a rung together, and again
      until it returns nothing. It may resume (CONTINUE) or stop (STOP) paused trials, never others.
      A resumed trial trains to its next rung.
    - Equal standings give equal decisions.
    - A trial whose loss is NaN or infinite never continues; a trial that is better than all others
      at every epoch always does.
    - When no trial is running and none is new, repeated calls of `review` with
      ``more_to_come=False`` leave no trial paused: each was resumed or stopped by its rank.

    Studies record every decision with its reason.
    """

    name: ClassVar[str]

    @abstractmethod
    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """Epochs after which trial ``number`` is compared, ascending; the last is ``epochs``."""

    @abstractmethod
    def decide(self, standings: Standings, number: int) -> Decision:
        """Decides about a trial that has reached a rung: CONTINUE, PAUSE or STOP."""

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:  # noqa: ARG002
        """Decides which paused trials to resume (CONTINUE) or stop (STOP), the best first.

        Args:
            standings: losses of all trials.
            more_to_come: whether trials are running, or new ones may start.
        """
        return ()

    @property
    def pauses(self) -> bool:
        """Whether `decide` may return PAUSE; the executor must then be able to pause and resume."""
        return False

    def to_json(self) -> dict[str, Any]:
        """The schedule as JSON types, ``"schedule"`` being its name; see `restore`."""
        return {"schedule": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{one.name: state[one.name] for one in fields(cls)})


def without_number(standings: Standings, number: int) -> Decision | None:
    """STOP for a trial whose last loss is NaN or infinite; None otherwise."""
    standing = standings[number]
    if math.isfinite(standing.losses[-1]):
        return None
    return Decision(
        number, Action.STOP, f"its objective is not finite after {epochs_of(standing.epoch)}"
    )


def rank_text(rank: int, of: int, epoch: int) -> str:
    """A trial's rank as text; ``rank`` counts from 0."""
    return f"rank {rank + 1:,} of {of:,} after {epochs_of(epoch)}"


def promoted_text(count: int) -> str:
    """How many trials are promoted, as text."""
    if count < 1:
        return "none is promoted"
    return "the best is promoted" if count == 1 else f"the best {count:,} are promoted"


def epochs_of(count: int) -> str:
    """A number of epochs as text."""
    return "1 epoch" if count == 1 else f"{count:,} epochs"


registry: Registry[type[Schedule]] = Registry(
    "schedule",
    "schedule",
    "paceline.schedules",
    "paceline.schedule",
    "a subclass of paceline.schedule.Schedule",
    subclass_of(Schedule),
)
"""The schedules by name.

They are registered by the class decorator ``register``, or provided by a package with an entry
point of the group ``paceline.schedules``. A study whose schedule is neither can only be resumed
with the schedule passed again.
"""
register = registry.register


def schedule_names() -> tuple[str, ...]:
    """The names of the schedules, registered or installed."""
    return registry.names()


def create(schedule: str | Schedule) -> Schedule:
    """Makes a schedule with default settings from its name; a schedule is returned unchanged.

    Raises:
        InvalidInput: no schedule of this name, or one that has settings without defaults.
    """
    if isinstance(schedule, Schedule):
        return schedule
    kind = registry.get(schedule, lambda: ("auto", *schedule_names()))
    needed = [one.name for one in fields(kind) if one.default is MISSING is one.default_factory]
    if needed:
        raise InvalidInput(
            f"schedule is {schedule!r}, which needs {', '.join(needed)}",
            expected=f"an object of {kind.__name__}",
        )
    return kind()


def restore(state: Mapping[str, Any]) -> Schedule:
    """The inverse of ``to_json``.

    Raises:
        InvalidInput: its class is neither registered nor installed here.
    """
    with reading_state("schedule"):
        return registry.stored(state).from_json(state)
