"""Random search."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.search.strategy import (
    History,
    Proposal,
    ProposalList,
    Strategy,
    check_seed,
    register,
    stream,
)
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class Random(Strategy):
    """Samples each hyperparameter independently; never proposes a configuration twice.

    Attributes:
        seed: of all draws, from 0.
        draw: number of the next draw. Each has its own random stream, derived from seed and number,
            which together are the whole random state.
    """

    name: ClassVar[str] = "random"

    seed: int
    draw: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed(self.seed))

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """New random configurations."""
        batch = ProposalList(space, history)
        draw = batch.fill(
            count, lambda n: space.sample(stream(self.seed, n)), self.draw, self.seed, self.name
        )
        return replace(self, draw=draw), tuple(batch.proposals)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {"strategy": self.name, "seed": self.seed, "draw": self.draw}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(state["seed"], state["draw"])
