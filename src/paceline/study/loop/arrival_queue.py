"""Virtual-time queue: results are processed in an order that does not depend on speed."""

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from paceline.core.events import Json
from paceline.study.record.parts import Parts, Read, read

_NAME = "turns"  # of the current value


@dataclass(slots=True)
class _State:
    now: float = 0.0
    due: dict[int, tuple[float, int]] = field(default_factory=dict)


_STATE = TypeAdapter(_State)


class ArrivalQueue:
    """Trials in flight, and the order in which the search processes their results.

    A trial is in flight from its submission until the search has processed its result. In an
    ordered study, the queue has a clock of its own, on which training takes time in proportion to
    the work alone: if two trials arrive in another order than on this clock, the first one waits
    until the other has arrived. What the search knows when it decides therefore depends on counts,
    never on speed. Otherwise results are processed in the order in which they arrive.
    """

    def __init__(self, ordered: bool, value: Read | None = None) -> None:
        """A queue, which continues from a stored state if there is one.

        Args:
            ordered: see the class.
            value: returns what `take_changes` had returned and was stored, by name. Trials in
                flight have not arrived then.

        Raises:
            ValueError: the state has another form.
        """
        state = None if value is None else read(value, _NAME, "due")
        known = _State() if state is None else _STATE.validate_python(state)
        self._ordered = ordered
        self._now, self._due = known.now, known.due
        self._arrived: dict[int, None] = {}
        self._parts = Parts(_NAME, self._due)

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, number: object) -> bool:
        return number in self._due

    @property
    def in_flight(self) -> tuple[int, ...]:
        """The trials in flight, in the order in which they will be processed."""
        return tuple(sorted(self._due, key=lambda number: (self._due[number][0], number)))

    def epoch(self, number: int) -> int:
        """Epochs of a trial in flight whose results the search has processed."""
        return self._due[number][1]

    def enter(self, number: int, epoch: int, work: float) -> None:
        """Adds a trial that is submitted.

        Args:
            number: number of the trial.
            epoch: epochs that it has trained already.
            work: amount of work until it arrives, in any consistent unit.
        """
        self._due[number] = (self._now + work, epoch)
        self._parts.change(number)

    def arrive(self, number: int) -> None:
        """Marks a trial that has reached its next decision, or its end."""
        if number in self._due:
            self._arrived[number] = None

    def take(self) -> int | None:
        """Removes and returns the next trial; None while that trial has not arrived."""
        first = (
            next(iter(self.in_flight), None) if self._ordered else next(iter(self._arrived), None)
        )
        if first is None or first not in self._arrived:
            return None
        del self._arrived[first]
        self._now = max(self._now, self._due.pop(first)[0])
        self._parts.change(first)
        return first

    def take_changes(self) -> dict[str, Json]:
        """The current values to store, of what has changed since the last call."""
        return self._parts.take({"now": self._now}, self._due, list)
