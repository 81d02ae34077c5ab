"""Configurations that the user wants tried first, then any other strategy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from paceline.core import Configuration, InvalidInput, Value
from paceline.search.base import Answer, History, Proposal, Strategy, register, restore
from paceline.search.given import Given
from paceline.space import Space


@register
@dataclass(frozen=True, slots=True)
class StartWith(Strategy):
    """Proposes the configurations of the user, each once and in order, then what another strategy
    proposes.

    Attributes:
        configs: what to try first; values that are left out are at their defaults, those that are
            inactive are passed over.
        then: the strategy that goes on. It learns from the first trials as from its own.

    Raises:
        InvalidInput: something that is not a mapping of names to values.
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
        """Makes sure that the space has these configurations."""
        self.complete(space)
        self.then.check(space)

    def complete(self, space: Space) -> tuple[dict[str, Value], ...]:
        """The configurations that are meant, with a value for each active hyperparameter.

        Raises:
            InvalidInput: a name that the space does not have, or a value that its hyperparameter
                cannot take.
        """
        return tuple(_complete(space, number, config) for number, config in enumerate(self.configs))

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the other strategy: the configurations are checked when their turn comes."""
        return self.then.names

    @property
    def remark(self) -> str:
        """What the other strategy says."""
        return self.then.remark

    @property
    def ends(self) -> bool:
        """Whether the other strategy does."""
        return self.then.ends

    @property
    def learns(self) -> bool:
        """Whether the other strategy does."""
        return self.then.learns

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The user's that are left, then the other strategy's."""
        answer = Answer(space, history)
        for config in self.complete(space):
            if len(answer) < count:
                answer.take(config, Given.name)
        first = tuple(answer.proposals)
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
        """As many as the other strategy could propose, and those of the user that are not in a
        space's count.
        """
        size = self.then.size(space)
        return size if size is None or size == space.size() else size + len(self.configs)

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose; None while something is."""
        left = any(space.key(config) not in history.seen for config in self.complete(space))
        return None if left else self.then.exhausted(space, history)

    def to_json(self) -> dict[str, Any]:
        """The whole state."""
        configs = [dict(config) for config in self.configs]
        return {"strategy": self.name, "configs": configs, "then": self.then.to_json()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The strategy that wrote this state."""
        return cls(tuple(state["configs"]), restore(state["then"]))

    def resumed(self, state: Mapping[str, Any]) -> Self:
        """The same configurations first, and the other strategy where it stopped."""
        return replace(self, then=self.then.resumed(state))


def with_default(strategy: Strategy) -> Strategy:
    """The strategy with the default configuration first; as it was where it begins with that, or
    has its own list.
    """
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
