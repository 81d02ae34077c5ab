"""Initial configurations of the user, before any other strategy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.core import Configuration, InvalidInput, Value
from paceline.search.given import Given
from paceline.search.strategy import History, Proposal, ProposalList, Strategy, register, restore
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class StartWith(Strategy):
    """Proposes the user's configurations in order, then those of another strategy.

    Attributes:
        configs: what to try first; missing values are the defaults, inactive ones are ignored.
        then: the strategy that follows. It also learns from the first trials.

    Raises:
        InvalidInput: not a mapping of names to values.
    """

    name: ClassVar[str] = "start_with"

    configs: tuple[Configuration, ...]
    then: Strategy

    def __post_init__(self) -> None:
        given: object = self.configs
        if isinstance(given, Mapping | str) or not hasattr(given, "__iter__"):
            fix = "Put a single one into a list." if isinstance(given, Mapping) else ""
            raise InvalidInput(
                f"start_with is {given!r}", expected="a list of configurations", fix=fix
            )
        for number, config in enumerate(self.configs):
            if not isinstance(config, Mapping):
                raise InvalidInput(
                    f"start_with[{number}] is {config!r}", expected="a mapping of names to values"
                )
        object.__setattr__(self, "configs", tuple(dict(config) for config in self.configs))

    def check(self, space: Space) -> None:
        """Checks that the configurations fit the space."""
        self.complete(space)
        self.then.check(space)

    def complete(self, space: Space) -> tuple[dict[str, Value], ...]:
        """The configurations, with a value for each active hyperparameter.

        Raises:
            InvalidInput: an unknown name, or a value that its hyperparameter cannot take.
        """
        return tuple(_complete(space, number, config) for number, config in enumerate(self.configs))

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the other strategy."""
        return self.then.names

    @property
    def remark(self) -> str:
        """That of the other strategy."""
        return self.then.remark

    @property
    def ends(self) -> bool:
        """Whether the other strategy ends."""
        return self.then.ends

    @property
    def learns(self) -> bool:
        """Whether the other strategy learns."""
        return self.then.learns

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The remaining configurations of the user, then those of the other strategy."""
        batch = ProposalList(space, history)
        for config in self.complete(space):
            if len(batch) < count:
                batch.take(config, Given.name)
        first = tuple(batch.proposals)
        if len(first) == count:
            return self, first
        known = (
            replace(history, seen={*history.seen, *(proposal.key for proposal in first)})
            if first
            else history
        )
        then, rest = self.then.ask(space, known, count - len(first))
        return replace(self, then=then), (*first, *rest)

    def size(self, space: Space) -> int | None:
        """Number of configurations of the other strategy, plus those of the user outside of it."""
        size = self.then.size(space)
        return size if size is None or size == space.size() else size + len(self.configs)

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose; None if something is."""
        left = any(space.key(config) not in history.seen for config in self.complete(space))
        return None if left else self.then.exhausted(space, history)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        configs = [dict(config) for config in self.configs]
        return {"strategy": self.name, "configs": configs, "then": self.then.to_json()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(tuple(state["configs"]), restore(state["then"]))

    def resumed(self, state: Mapping[str, Any]) -> Self:
        """The same first configurations, and the other strategy resumed."""
        return replace(self, then=self.then.resumed(state))


def with_default(strategy: Strategy) -> Strategy:
    """The strategy with the default configuration first; unchanged if it has initial ones."""
    if isinstance(strategy, Given) or strategy.begins_with_default:
        return strategy
    if isinstance(strategy, StartWith):
        return replace(strategy, then=with_default(strategy.then))
    return StartWith(({},), strategy)


def _complete(space: Space, number: int, config: Configuration) -> dict[str, Value]:
    try:
        return space.complete(config)
    except InvalidInput as error:
        raise InvalidInput(
            f"start_with[{number}]: {error.passed}", expected=error.expected, fix=error.fix
        ) from None
