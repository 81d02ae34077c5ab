"""The order in which the search processes events: the same in every run, on any machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

Json = Any


@dataclass(slots=True)
class _State:
    now: float = 0.0
    due: dict[int, tuple[float, int]] = field(default_factory=dict)


_STATE = TypeAdapter(_State)


class Turns:
    """The trials that are in flight, and when the search will look at them.

    A trial is in flight from the moment it is submitted until the search has taken notice of what
    became of it. Where the study is ordered, a trial's turn comes by a clock of its own, on which
    training takes time in proportion to the
    work alone: of two that arrive out of turn, the first waits until it is known what became of the
    other. So what the search knows when it decides depends on counts, never on speed. Else whoever
    arrives is next.
    """

    def __init__(self, ordered: bool, state: Mapping[str, Json] | None = None) -> None:
        """``state`` is what `to_json` wrote; those in flight have not arrived then.

        Raises:
            ValueError: it is something else.
        """
        known = _State() if state is None else _STATE.validate_python(state)
        self._ordered = ordered
        self._now, self._due = known.now, known.due
        self._arrived: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, number: object) -> bool:
        return number in self._due

    @property
    def in_flight(self) -> tuple[int, ...]:
        """The trials in flight, in the order of their turns."""
        return tuple(sorted(self._due, key=lambda number: (self._due[number][0], number)))

    def epoch(self, number: int) -> int:
        """Epochs of a trial in flight that the search has taken notice of."""
        return self._due[number][1]

    def enter(self, number: int, epoch: int, work: float) -> None:
        """A trial is submitted.

        Args:
            number: the trial.
            epoch: epochs that it has behind it.
            work: how much there is to do until it will be looked at, in any one unit.
        """
        self._due[number] = (self._now + work, epoch)

    def arrive(self, number: int) -> None:
        """A trial came to where it is to be looked at, or to its end."""
        if number in self._due:
            self._arrived[number] = None

    def take(self) -> int | None:
        """The trial whose turn it is, which is then not in flight any more; None while that one has
        not arrived.
        """
        first = (
            next(iter(self.in_flight), None) if self._ordered else next(iter(self._arrived), None)
        )
        if first is None or first not in self._arrived:
            return None
        del self._arrived[first]
        self._now = max(self._now, self._due.pop(first)[0])
        return first

    def to_json(self) -> dict[str, Json]:
        """As plain JSON types."""
        return {
            "now": self._now,
            "due": {str(number): list(due) for number, due in self._due.items()},
        }
