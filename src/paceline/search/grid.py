"""Grid search: every configuration, the default first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.core.checks import whole_number
from paceline.search.strategy import DEFAULT, History, Proposal, ProposalList, Strategy, register
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class Grid(Strategy):
    """Proposes ``space.grid(samples)``; if the space grows, it starts over without duplicates.

    Attributes:
        samples: number of points of a continuous hyperparameter.
        rank: position in the grid.
        space: fingerprint of the space to which ``rank`` refers.
    """

    name: ClassVar[str] = "grid"

    samples: int = 10
    rank: int = 0
    space: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", whole_number("samples", self.samples))

    @property
    def ends(self) -> bool:
        """True: at the end of the grid."""
        return True

    @property
    def begins_with_default(self) -> bool:
        """True."""
        return True

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The next configurations of the grid."""
        rank, size = self.rank if self.space == space.fingerprint else 0, self.size(space)
        batch = ProposalList(space, history)
        while len(batch) < count and rank < size:
            batch.take(space.grid_at(rank, self.samples), self.name if rank else DEFAULT)
            rank += 1
        return replace(self, rank=rank, space=space.fingerprint), tuple(batch.proposals)

    def size(self, space: Space) -> int:
        """Number of configurations of the grid."""
        return space.grid_size(self.samples)

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose; None if something is."""
        if self.ask(space, history, 1)[1]:
            return None
        what = "configurations of the space" if space.size() is not None else "points of the grid"
        return f"all {self.size(space):,} {what} have been tried"

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {
            "strategy": self.name,
            "samples": self.samples,
            "rank": self.rank,
            "space": self.space,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(state["samples"], state["rank"], state["space"])
