"""The one contract of schedules: given how trials have done so far, who goes on?

| symbol | meaning |
| --- | --- |
| R | epochs of a full training |
| r | rung: a number of epochs after which trials are compared |
| eta | of the trials at a rung, one in eta goes on |
"""

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar

from paceline.core import Action, Decision, InvalidInput, Registry, TrialState, reading_state


@dataclass(frozen=True, slots=True)
class Standing:
    """How one trial stands.

    Attributes:
        number: the trial.
        epochs: R, the epochs of its full training.
        losses: the objective after each epoch so far, as a number to minimise; NaN where it was not
            a number.
        state: RUNNING (training, or waiting for a decision), PAUSED or a final state.
    """

    number: int
    epochs: int
    losses: tuple[float, ...] = ()
    state: TrialState = TrialState.RUNNING

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return len(self.losses)


Place = tuple[float, int]
"""(value, trial): what trials are ordered by; a value that is no number counts as inf, equal ones
go by trial.
"""


@dataclass
class Standings:
    """How all trials stand, with the trials that reached an epoch in order of their loss there.

    What is in here is what a schedule may know: of trials that are training now, no more than they
    had reached when they were last looked at.
    """

    _trials: dict[int, Standing] = field(default_factory=dict)
    _at: dict[int, list[Place]] = field(default_factory=dict)
    _averages: dict[int, list[Place]] = field(default_factory=dict)
    _paused: dict[int, list[Place]] = field(default_factory=dict)
    _sums: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, standings: Iterable[Standing]) -> "Standings":
        """What `put` makes of these, each of another trial; of many it is quicker to sort them
        once.
        """
        made = cls()
        for standing in standings:
            made._add(standing, 0, list.append)
        for kept in (made._at, made._averages, made._paused):
            for places in kept.values():
                places.sort()
        return made

    def put(self, standing: Standing) -> None:
        """Adds a trial, or replaces what was known of it; epochs are only ever added to a trial."""
        known = self._trials.get(standing.number)
        if known is not None and known.state is TrialState.PAUSED:
            waiting = self._paused[known.epoch]
            del waiting[bisect.bisect_left(waiting, _place(known))]
            if not waiting:
                del self._paused[known.epoch]
        self._add(standing, 0 if known is None else known.epoch, bisect.insort)

    def _add(
        self, standing: Standing, known: int, insert: Callable[[list[Place], Place], None]
    ) -> None:
        """Takes a trial with those of its epochs that come after the ``known`` first ones."""
        number = standing.number
        self._trials[number] = standing
        for index in range(known, standing.epoch):
            loss, epoch = _number(standing.losses[index]), index + 1
            self._sums[number] = self._sums.get(number, 0.0) + loss
            insert(self._at.setdefault(epoch, []), (loss, number))
            insert(self._averages.setdefault(epoch, []), (self._sums[number] / epoch, number))
        if standing.state is TrialState.PAUSED:
            insert(self._paused.setdefault(standing.epoch, []), _place(standing))

    def __getitem__(self, number: int) -> Standing:
        return self._trials[number]

    def __contains__(self, number: object) -> bool:
        return number in self._trials

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def trials(self) -> Mapping[int, Standing]:
        """Every trial, by number."""
        return self._trials

    def at(self, epoch: int) -> Sequence[Place]:
        """(loss, number) of each trial that reached ``epoch``, best first; a loss that is no number
        counts as inf.
        """
        return self._at.get(epoch, [])

    def averages(self, epoch: int) -> Sequence[Place]:
        """(mean of its losses up to ``epoch``, number) of each trial that reached it, best
        first.
        """
        return self._averages.get(epoch, [])

    def average(self, number: int) -> float:
        """The mean of a trial's losses so far, inf where one of them is no number."""
        return self._sums[number] / self._trials[number].epoch

    @property
    def paused(self) -> Mapping[int, Sequence[Place]]:
        """The paused trials by the epoch after which they are: (loss there, number), best first; no
        epoch is empty.
        """
        return self._paused

    def rank(self, number: int, epoch: int) -> int:
        """The trial's place among those that reached ``epoch``, from 0; equal losses by number."""
        return bisect.bisect_left(
            self.at(epoch), (_number(self._trials[number].losses[epoch - 1]), number)
        )


def _number(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _place(standing: Standing) -> Place:
    return _number(standing.losses[-1]) if standing.losses else math.inf, standing.number


@dataclass(frozen=True, slots=True)
class Schedule(ABC):
    """Decides who goes on. A frozen value without memory: everything follows from the standings it
    is shown.

    Guarantees of every schedule (``paceline.testing.schedules.ScheduleContract`` checks them):

    - `rungs` ascend and end with the trial's full training; they depend on nothing but the trial's
      number and R.
    - `decide` is asked when a trial has arrived at one of its rungs but the last; the answer is
      about that trial.
    - `review` is asked after `decide`, once for all that arrived together, and again until it has
      nothing to say. It may let paused trials go on (CONTINUE), or end them (STOP); never others. A
      trial that is let go on trains to its next rung.
    - The same standings have the same answers.
    - A loss that is no number never goes on; a trial that is ahead of all others at every epoch
      always does.
    - When no trial is running and none is new, repeating `review` with ``more_to_come=False`` comes
      to an end with no
      trial left paused: every trial has been given the chance that its rank earned.

    In a study every decision is recorded with its reason.
    """

    name: ClassVar[str]

    @abstractmethod
    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """The epochs after which trial ``number`` is looked at, ascending; the last one is
        ``epochs``.
        """

    @abstractmethod
    def decide(self, standings: Standings, number: int) -> Decision:
        """For a trial that has arrived at a rung: CONTINUE, PAUSE or STOP."""

    def review(self, standings: Standings, more_to_come: bool) -> tuple[Decision, ...]:  # noqa: ARG002
        """Paused trials that go on (CONTINUE) or end (STOP) now, the most promising first.

        Args:
            standings: how all trials stand.
            more_to_come: whether new trials may still be asked for, or some are running.
        """
        return ()

    @property
    def pauses(self) -> bool:
        """Whether `decide` may answer PAUSE: what trains must be able to put a trial aside and go
        on with it.
        """
        return False

    def to_json(self) -> dict[str, Any]:
        """The schedule as plain JSON types, ``"schedule"`` being the name;
        `paceline.schedule.restore` reads it.
        """
        return {"schedule": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The schedule that wrote this state."""
        return cls(**{one.name: state[one.name] for one in fields(cls)})


def without_number(standings: Standings, number: int) -> Decision | None:
    """STOP for a trial whose last loss is no number; None for all others."""
    standing = standings[number]
    if math.isfinite(standing.losses[-1]):
        return None
    return Decision(
        number, Action.STOP, f"its objective is no number after {epochs_of(standing.epoch)}"
    )


def place(rank: int, of: int, epoch: int) -> str:
    """A trial's place in words; ``rank`` counts from 0."""
    return f"rank {rank + 1:,} of {of:,} after {epochs_of(epoch)}"


def best_go_on(count: int) -> str:
    """How many go on, in words."""
    return (
        "none goes on"
        if count < 1
        else "the best goes on"
        if count == 1
        else f"the best {count:,} go on"
    )


def epochs_of(count: int) -> str:
    """So many epochs, in words."""
    return "1 epoch" if count == 1 else f"{count:,} epochs"


registry: Registry[type[Schedule]] = Registry(
    "schedule",
    "schedule",
    "paceline.schedules",
    "paceline.schedule",
    "a subclass of paceline.schedule.Schedule",
    lambda item: isinstance(item, type) and issubclass(item, Schedule),
)
"""The schedules by name."""
_Kind = TypeVar("_Kind", bound=type[Schedule])


def register(kind: _Kind) -> _Kind:
    """Makes a class of schedules known by its ``name``: a class decorator.

    A package can do the same by an entry point of the group ``paceline.schedules``. A study whose
    schedule is neither registered nor installed is resumed only where the schedule is passed again.

    Raises:
        InvalidInput: no schedule, or another class has this name.
    """
    return registry.register(kind)


def schedule_names() -> tuple[str, ...]:
    """The names of the schedules, registered or installed."""
    return registry.names()


def create(schedule: str | Schedule) -> Schedule:
    """Makes a schedule from its name, with its standard settings; one that is a schedule already is
    returned as it is.

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
    """The schedule that wrote this state with ``to_json``.

    Raises:
        InvalidInput: its class is neither registered nor installed here.
    """
    with reading_state("schedule"):
        return registry.stored(state).from_json(state)
