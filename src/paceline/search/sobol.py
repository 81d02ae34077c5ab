"""Scrambled Sobol points: random search with even coverage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.core import Value
from paceline.search.sobol_points import BLOCK, points
from paceline.search.strategy import (
    DEFAULT,
    History,
    Proposal,
    ProposalList,
    Strategy,
    check_seed,
    register,
)
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class Sobol(Strategy):
    """The default configuration, then new configurations from a scrambled Sobol sequence.

    If the space grows, it continues at the same index of the sequence with one more dimension.

    Attributes:
        seed: of the scrambling, from 0.
        point: number of the next point of the sequence.
        started: whether the default configuration has been proposed.
    """

    name: ClassVar[str] = "sobol"

    seed: int
    point: int = 0
    started: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed(self.seed))

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The default first, then new configurations from the next points."""
        batch = ProposalList(space, history)
        if count > 0 and not self.started:
            batch.take(space.default(), DEFAULT)
        point = batch.fill(
            count, lambda n: _configuration(space, self.seed, n), self.point, self.seed, self.name
        )
        return replace(self, point=point, started=self.started or count > 0), tuple(batch.proposals)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {
            "strategy": self.name,
            "seed": self.seed,
            "point": self.point,
            "started": self.started,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(state["seed"], state["point"], state["started"])


def _configuration(space: Space, seed: int, point: int) -> dict[str, Value]:
    if not len(space):
        return {}
    block, at = divmod(point, BLOCK)
    return space.decode(points(len(space), seed, block)[at])
