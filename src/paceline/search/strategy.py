"""The base class of search strategies: proposals from the space and the trials so far."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from paceline.core import (
    Configuration,
    InvalidInput,
    Objective,
    Registry,
    Trial,
    Value,
    reading_state,
    subclass_of,
)
from paceline.core.checks import whole_number
from paceline.space import Space

AUTO = "auto"
"""The name of the default strategy."""

DEFAULT = "default"
"""Origin of the space's default configuration."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration to try.

    Attributes:
        config: one value for each active hyperparameter.
        origin: what proposed it: ``"default"``, ``"grid"``, ``"random"``, ``"sobol"``, ...
        key: its ``space.key``, to be added to `History.seen`.
    """

    config: Configuration
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class History:
    """The information on which a strategy decides.

    Attributes:
        seen: ``space.key`` of each configuration that must not be proposed: those proposed or run
            before. Any set, also one that the caller extends between calls; strategies only test
            membership.
        trials: the trials so far, finished or not, for strategies that learn from scores.
        objective: how to read the scores.
        cost: predicts the cost of a full training of a configuration, compilation included, in any
            unit; infinity if it exceeds the remaining budget. None if nothing is known.
        program: returns equal values for configurations that are expected to share a compiled
            program, so that only the first must be compiled. None if nothing is compiled.
    """

    seen: Set[str] = frozenset()
    trials: Sequence[Trial] = field(default=(), repr=False)
    objective: Objective | None = None
    cost: Callable[[Configuration], float] | None = field(default=None, repr=False, compare=False)
    program: Callable[[Configuration], Hashable] | None = field(
        default=None, repr=False, compare=False
    )


class Strategy(ABC):
    """Decides what to try next. A frozen value: `ask` returns a successor and changes nothing.

    Guarantees of every strategy (``paceline.testing.strategies.StrategyContract`` checks them):

    - Equal strategies, asked the same, return the same; a strategy restored from JSON is equal.
    - No proposal has a key in ``history.seen``, and the proposals of one call have different keys.
      Earlier proposals are only known from ``seen``, so the caller adds the keys of each call
      before the next one.
    - Fewer proposals than requested: nothing else is left now; see `exhausted`.
    - The space may grow between two calls. Keys stay valid, see `Space.key`.

    Strategies that do not learn from scores also propose the same in batches of any size::

        strategy = create("random", seed=7)
        strategy, four = strategy.ask(space, History(), 4)
        strategy, next_four = strategy.ask(space, History({p.key for p in four}), 4)
        create("random", seed=7).ask(space, History(), 8)[1] == four + next_four
    """

    name: ClassVar[str]

    @property
    def learns(self) -> bool:
        """Whether its proposals depend on the scores of earlier trials."""
        return False

    @property
    def ends(self) -> bool:
        """Whether it ends by itself, so that a study needs no limit and compares all proposals."""
        return False

    @property
    def begins_with_default(self) -> bool:
        """Whether its first proposal is the space's default configuration."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameters that this strategy's arguments refer to, such as those of a prior."""
        return ()

    @property
    def remark(self) -> str:
        """A sentence for the user about the last call, which studies record; empty for none."""
        return ""

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """The strategy with default settings, for its name.

        Override it in a class that takes its seed other than as an argument ``seed``.
        """
        make: Callable[..., Self] = cls
        return make(seed=seed) if "seed" in inspect.signature(cls).parameters else make()

    @classmethod
    def needs_arguments(cls) -> bool:
        """Whether `from_seed` cannot make one, so that users must pass an object of the class.

        By default: whether the constructor has a required argument other than ``seed``.
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
        """Returns the strategy for the next call and up to ``count`` new proposals."""

    def check(self, space: Space) -> None:  # noqa: B027
        """Called once, when the space is known and before anything is stored.

        Raises:
            InvalidInput: an argument of this strategy does not fit the space.
        """

    def size(self, space: Space) -> int | None:
        """Number of configurations that this strategy could propose; None if infinite.

        All of the space, unless a class says otherwise.
        """
        return space.size()

    def exhausted(self, space: Space, history: History) -> str | None:
        """Why nothing is left to propose, as a sentence without full stop; None if something is.

        To be called after a call of `ask` returned too few; it may call `ask`.
        """
        size = self.size(space)
        if (size is not None and len(history.seen) < size) or self.ask(space, history, 1)[1]:
            return None
        if size is None:
            return "no new configuration was found"
        return f"all {size:,} configurations of the space have been tried"

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types, ``"strategy"`` being the name; see `restore`."""

    @classmethod
    @abstractmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""

    def resumed(self, state: Mapping[str, Any]) -> Self:
        """This strategy in the state that an earlier session stored last.

        Override it in a class with attributes that JSON cannot represent, and take them from
        ``self``.
        """
        return type(self).from_json(base_state(state))


def base_state(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state of the strategy that searches, without the user's first configurations."""
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
    subclass_of(Strategy),
)
"""The search strategies by name.

They are registered by the class decorator ``register``, or provided by a package with an entry
point of the group ``paceline.strategies``. A study whose strategy is neither can only be resumed
with the strategy passed again.
"""
register = registry.register


def strategy_names() -> tuple[str, ...]:
    """The names of the strategies, registered or installed."""
    return (AUTO, *(name for name in registry.names() if _is_made_by_name(name)))


def create(strategy: str | Strategy, seed: int) -> Strategy:
    """Makes a strategy from its name; a strategy is returned unchanged.

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
    """Whether a strategy needs only a seed; True if its package was not imported yet."""
    kind = registry.registered.get(name)
    return kind is None or not kind.needs_arguments()


def restore(state: Mapping[str, Any]) -> Strategy:
    """The inverse of ``to_json``.

    Raises:
        InvalidInput: its class is neither registered nor installed here.
    """
    with reading_state("strategy"):
        return registry.stored(state).from_json(state)


def check_seed(seed: object) -> int:
    """Validates a seed and returns it as an int.

    Raises:
        InvalidInput: not a whole number of at least 0.
    """
    return whole_number("seed", seed, at_least=0)


def stream(seed: int, draw: int) -> np.random.Generator:
    """Random numbers (PCG64) for one draw of a seed, independent of the number of other draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(draw,))))


def scattered(space: Space, rng: np.random.Generator) -> Iterator[dict[str, Value]]:
    """Every configuration of a finite space once, in scattered order.

    The ranks are r, r + s, r + 2 s, ... with s prime to the size.
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
class ProposalList:
    """The proposals of one call of `Strategy.ask`; contains no duplicates."""

    space: Space
    history: History
    proposals: list[Proposal] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.proposals)

    def take(self, config: Mapping[str, Value], origin: str) -> bool:
        """Adds the configuration if it is new; returns whether it was."""
        key = self.space.key(config)
        if key in self.history.seen or key in self._keys:
            return False
        self._keys.add(key)
        self.proposals.append(Proposal(config, origin, key))
        return True

    @property
    def may_be_complete(self) -> bool:
        """Whether there are as many keys as configurations, so that nothing may be left."""
        size = self.space.size()
        return size is not None and len(self.history.seen) + len(self._keys) >= size

    def take_next(
        self, draw: Callable[[int], dict[str, Value]], first: int, seed: int, origin: str
    ) -> int | None:
        """Adds the first new one of the configurations drawn from number ``first`` on.

        After `TRIES` duplicates in a row, a finite space is searched exhaustively, in scattered
        order, which takes at most one more step than there are keys. In an infinite space, drawing
        continues while the draws may repeat configurations in ``seen``.

        Returns:
            The number of the next draw; None if nothing is left.
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

    def fill(
        self,
        count: int,
        draw: Callable[[int], dict[str, Value]],
        first: int,
        seed: int,
        origin: str,
    ) -> int:
        """Adds configurations with `take_next` until there are ``count``, or none is left.

        Returns:
            The number of the next draw.
        """
        number: int | None = first
        while number is not None and len(self) < count:
            first, number = number, self.take_next(draw, number, seed, origin)
        return first if number is None else number


TRIES = 20
"""Duplicates in a row after which the space is searched exhaustively."""
