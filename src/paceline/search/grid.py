"""Grid search: every configuration, the default first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.core.checks import whole_number
from paceline.search.base import DEFAULT, Answer, History, Proposal, Strategy, register
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class Grid(Strategy):
    """Goes through ``space.grid(samples)``. Where the space grows, it starts over and passes over
    what was seen.

    Attributes:
        samples: points of a continuous hyperparameter.
        rank: where it stands in the grid.
        space: fingerprint of the space that ``rank`` counts in.
    """

    name: ClassVar[str] = "grid"

    samples: int = 10
    rank: int = 0
    space: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", whole_number("samples", self.samples))

    @property
    def ends(self) -> bool:
        """At the end of the grid."""
        return True

    @property
    def begins_with_default(self) -> bool:
        """Always."""
        return True

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The next configurations of the grid."""
        rank, size = self.rank if self.space == space.fingerprint else 0, self.size(space)
        answer = Answer(space, history)
        while len(answer) < count and rank < size:
            answer.take(space.grid_at(rank, self.samples), self.name if rank else DEFAULT)
            rank += 1
        return replace(self, rank=rank, space=space.fingerprint), tuple(answer.proposals)

    def size(self, space: Space) -> int:
        """Number of configurations of the grid."""
        return space.grid_size(self.samples)

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose; None while something is."""
        if self.ask(space, history, 1)[1]:
            return None
        what = "configurations of the space" if space.size() is not None else "points of the grid"
        return f"all {self.size(space):,} {what} have been tried"

    def to_json(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "strategy": self.name,
            "samples": self.samples,
            "rank": self.rank,
            "space": self.space,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The strategy that wrote this state."""
        return cls(state["samples"], state["rank"], state["space"])
