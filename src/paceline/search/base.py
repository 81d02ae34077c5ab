"""The one contract of search: given the space and what is known, what should be tried next?"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from paceline.core import (
    Configuration,
    InvalidInput,
    Objective,
    Registry,
    Trial,
    Value,
    reading_state,
)
from paceline.core.checks import whole_number
from paceline.space import Space

AUTO = "auto"
"""The name of the strategy that Paceline chooses where none is asked for."""

DEFAULT = "default"
"""Origin of the configuration in which everything is at its default."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration to try.

    Attributes:
        config: one value for each active hyperparameter.
        origin: who proposed it: ``"default"``, ``"grid"``, ``"random"``, ``"sobol"``, ...
        key: its ``space.key``, to be added to `History.seen`.
    """

    config: Configuration
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class History:
    """What is known when a strategy is asked.

    Attributes:
        seen: ``space.key`` of each configuration that is not to be proposed: those proposed or run
            before. Any set will do, also one that the caller goes on adding to between asks;
            strategies only look things up in it.
        trials: the trials so far, finished or not, for strategies that learn from scores.
        objective: what the scores mean, for the same.
        cost: predicts what a full training of a configuration will cost, compiling included; in any
            one unit, infinity for what the time left does not pay for. None where nothing is known:
            all cost the same.
        program: equal for configurations that are expected to be one program, so that where one of
            them was asked for, the others need no compiling. None where nothing is compiled.
    """

    seen: Set[str] = frozenset()
    trials: Sequence[Trial] = field(default=(), repr=False)
    objective: Objective | None = None
    cost: Callable[[Configuration], float] | None = field(default=None, repr=False, compare=False)
    program: Callable[[Configuration], Hashable] | None = field(
        default=None, repr=False, compare=False
    )


class Strategy(ABC):
    """Decides what to try next. A frozen value: asking answers its successor and leaves it as it
    was.

    Guarantees of every strategy (``paceline.testing.strategies.StrategyContract`` checks them):

    - The same value, asked the same, answers the same; a value read back from JSON is the same
      value.
    - No proposal has a key in ``history.seen``, and no two of one answer share a key. What was
      proposed before is known from ``seen`` alone, so the caller adds each answer's keys before it
      asks again.
    - Fewer proposals than asked for means: nothing else is left now. `exhausted` says it in words.
    - The space may grow between two asks. Keys stay valid, see `Space.key`.

    Strategies that do not learn from scores also answer the same however the asks are batched::

        strategy = create("random", seed=7)
        strategy, four = strategy.ask(space, History(), 4)
        strategy, next_four = strategy.ask(space, History({p.key for p in four}), 4)
        create("random", seed=7).ask(space, History(), 8)[1] == four + next_four
    """

    name: ClassVar[str]

    @property
    def learns(self) -> bool:
        """Whether what it proposes depends on the scores of earlier trials."""
        return False

    @property
    def ends(self) -> bool:
        """Whether it comes to an end by itself, so that a study needs no limit; it then compares
        all it proposes.
        """
        return False

    @property
    def begins_with_default(self) -> bool:
        """Whether the first proposal of all is the space's default configuration."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameters about which the user has told this strategy something, such as a
        prior.
        """
        return ()

    @property
    def remark(self) -> str:
        """What a person should know of the last answer, as a sentence; empty for nothing. Studies
        record it.
        """
        return ""

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """The strategy that its name stands for, with standard settings.

        To be overridden where a class takes its seed in another way than as an argument ``seed``.
        """
        make: Callable[..., Self] = cls
        return make(seed=seed) if "seed" in inspect.signature(cls).parameters else make()

    @classmethod
    def needs_arguments(cls) -> bool:
        """Whether `from_seed` cannot make one, so that users have to pass an object of the class.

        By default: whether the constructor has an argument without default other than ``seed``.
        """
        parameters = inspect.signature(cls).parameters.values()
        return any(
            one.default is one.empty
            and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            and one.name != "seed"
            for one in parameters
        )

    @abstractmethod
    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """Up to ``count`` new proposals, and the strategy to ask next time."""

    def check(self, space: Space) -> None:  # noqa: B027
        """Called once, when the space is known and before anything is written.

        Raises:
            InvalidInput: what the user brought to this strategy does not belong to the space.
        """

    @abstractmethod
    def size(self, space: Space) -> int | None:
        """How many configurations this strategy could propose in all; None for no end."""

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose, as a sentence without its full stop; None while something
        is.

        To be called when an answer was short: it may have to ask.
        """
        size = self.size(space)
        if (size is not None and len(history.seen) < size) or self.ask(space, history, 1)[1]:
            return None
        if size is None:
            return "no new configuration was found"
        return f"all {size:,} configurations of the space have been tried"

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The whole state as plain JSON types, ``"strategy"`` being the name;
        `paceline.search.restore` reads it.
        """

    @classmethod
    @abstractmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The strategy that wrote this state."""

    def resumed(self, state: Mapping[str, Any]) -> Self:
        """This strategy where it stopped, from the last state that it wrote in an earlier session.

        To be overridden by strategies that hold what JSON cannot, and so take it from ``self``.
        """
        return type(self).from_json(base_state(state))


def base_state(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state of the strategy that searches, without the configurations that were to come before
    it.
    """
    with reading_state("strategy"):
        while "then" in state:
            state = state["then"]
    return state


registry: Registry[type[Strategy]] = Registry(
    "strategy",
    "search",
    "paceline.strategies",
    "paceline.search",
    "a subclass of paceline.search.Strategy",
    lambda item: isinstance(item, type) and issubclass(item, Strategy),
)
"""The search strategies by name."""
_Kind = TypeVar("_Kind", bound=type[Strategy])


def register(kind: _Kind) -> _Kind:
    """Makes a class of strategies known by its ``name``: a class decorator.

    A package can do the same by an entry point of the group ``paceline.strategies``. A study whose
    strategy is neither registered nor installed is resumed only where the strategy is passed again.

    Raises:
        InvalidInput: no strategy, or another class has this name.
    """
    return registry.register(kind)


def strategy_names() -> tuple[str, ...]:
    """The names under which a strategy can be asked for, registered or installed."""
    return (AUTO, *(name for name in registry.names() if _is_made_by_name(name)))


def create(strategy: str | Strategy, seed: int) -> Strategy:
    """Makes a strategy from its name; one that is a strategy already is returned as it is.

    Raises:
        InvalidInput: no strategy of this name, one that needs more than a seed, or a seed that is
            not a whole number of at least 0.
    """
    if isinstance(strategy, Strategy):
        return strategy
    seed = check_seed(seed)
    if isinstance(strategy, str) and strategy.strip().lower() == AUTO:
        strategy = "bayes"
    kind = registry.get(strategy, strategy_names)
    if not _is_made_by_name(kind.name):
        raise InvalidInput(
            f"search is {strategy!r}, which needs more than a name",
            expected=f"one of {', '.join(map(repr, strategy_names()))}, or an object of "
            f"{kind.__name__}",
        )
    return kind.from_seed(seed)


def _is_made_by_name(name: str) -> bool:
    """Whether a strategy needs nothing but a seed; True where its package was not imported yet."""
    kind = registry.registered.get(name)
    return kind is None or not kind.needs_arguments()


def restore(state: Mapping[str, Any]) -> Strategy:
    """The strategy that wrote this state with ``to_json``.

    Raises:
        InvalidInput: its class is neither registered nor installed here.
    """
    with reading_state("strategy"):
        return registry.stored(state).from_json(state)


def check_seed(seed: object) -> int:
    """A seed as an int.

    Raises:
        InvalidInput: not a whole number of at least 0.
    """
    return whole_number("seed", seed, at_least=0)


def stream(seed: int, draw: int) -> np.random.Generator:
    """Random numbers for one draw of one seed: PCG64, and independent of how many other draws there
    were.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(draw,))))


def scattered(space: Space, rng: np.random.Generator) -> Iterator[dict[str, Value]]:
    """Every configuration of a finite space once, scattered: ranks r, r + s, r + 2 s, ... with s
    prime to the size.
    """
    size = space.size()
    if size is None:
        return
    rank, stride = (int.from_bytes(rng.bytes(32), "little") % size for _ in range(2))
    while math.gcd(stride, size) != 1:
        stride += 1
    for _ in range(size):
        yield space.grid_at(rank)
        rank = (rank + stride) % size


@dataclass
class Answer:
    """Collects the proposals of one ask: takes what is new, passes over what is not."""

    space: Space
    history: History
    proposals: list[Proposal] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.proposals)

    def take(self, config: Mapping[str, Value], origin: str) -> bool:
        """Adds the configuration if it is new; says whether it was."""
        key = self.space.key(config)
        if key in self.history.seen or key in self._keys:
            return False
        self._keys.add(key)
        self.proposals.append(Proposal(config, origin, key))
        return True

    @property
    def may_be_complete(self) -> bool:
        """Whether as many keys are taken as the space has configurations, so that nothing may be
        left.
        """
        size = self.space.size()
        return size is not None and len(self.history.seen) + len(self._keys) >= size

    def take_next(
        self, draw: Callable[[int], dict[str, Value]], first: int, seed: int, origin: str
    ) -> int | None:
        """Takes the first new one of the configurations drawn from number ``first`` on.

        After `TRIES` duplicates in a row, a finite space is searched for what is left, in scattered
        order; that takes at most one step more than there are keys seen. In a space without end
        drawing goes on, as long as it could be that the draws repeat what was seen.

        Returns:
            The number to go on from; None if nothing is left.
        """
        size = self.space.size()
        tries = TRIES if size is not None else TRIES + len(self.history.seen) + len(self._keys)
        for number in range(first, first + tries):
            if not self.may_be_complete and self.take(draw(number), origin):
                return number + 1
        if size is not None:
            for config in scattered(self.space, stream(seed, first)):
                if self.take(config, origin):
                    return first + TRIES
        return None


TRIES = 20
"""Duplicates in a row after which drawing gives way to looking for what is left."""
