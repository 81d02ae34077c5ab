"""A fixed list of configurations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from paceline.core import Configuration
from paceline.search.strategy import History, Proposal, ProposalList, Strategy, register
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class Given(Strategy):
    """Proposes the given configurations in order, and nothing else.

    Attributes:
        configs: what to try; missing values are the defaults.
    """

    name: ClassVar[str] = "given"

    configs: tuple[Configuration, ...]

    @property
    def ends(self) -> bool:
        """True: after the last configuration."""
        return True

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The next new configurations."""
        batch = ProposalList(space, history)
        for config in self.configs:
            if len(batch) < count:
                batch.take(space.complete(config), self.name)
        return self, tuple(batch.proposals)

    def size(self, space: Space) -> int:
        """Number of different configurations."""
        return len({space.key(space.complete(config)) for config in self.configs})

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose; None if something is."""
        return (
            None if self.ask(space, history, 1)[1] else "all given configurations have been tried"
        )

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {"strategy": self.name, "configs": [dict(config) for config in self.configs]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(tuple(state["configs"]))
