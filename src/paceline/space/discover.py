"""Discovery of the space of a define-by-run ``build(hp)``, by calling it."""

import heapq
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, pairwise

from paceline.core import Value
from paceline.space.define import HyperParameters
from paceline.space.hyperparameter import Condition, Hyperparameter, Typed, typed
from paceline.space.infer import MOST_VARIANTS, Observation, infer_conditions, too_many
from paceline.space.known import two_definitions
from paceline.space.space import Space

_MOST_TRIED = 16

_Asked = tuple[str, str]
"""Name and ``definition_id`` of a hyperparameter."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Result of `discover`.

    Attributes:
        space: every hyperparameter found, with declared and inferred conditions.
        builds: number of calls of ``build``.
        inferred: by name, conditions that were not declared but hold in all calls.
        declared: the hyperparameters with their declared conditions only; input of
            `infer_conditions`.
        observations: what each call used, including failed ones; the first is of the default
            configuration.
        complete: False if the limit was reached with configurations left to try.
    """

    space: Space
    builds: int
    inferred: tuple[tuple[str, tuple[Condition, ...]], ...]
    declared: tuple[Hyperparameter, ...] = field(repr=False)
    observations: tuple[Observation, ...] = field(repr=False)
    complete: bool

    @property
    def failures(self) -> tuple[Observation, ...]:
        """The calls that raised."""
        return tuple(o for o in self.observations if o.error is not None)


def discover(
    build: Callable[[HyperParameters], object],
    limit: int = 64,
    *,
    space: Space | None = None,
) -> Discovery:
    """Calls ``build`` with the default configuration and single changes until nothing new is found.

    Each discrete hyperparameter with up to 16 values takes every value. Any other takes its two
    ends and, if it is discrete and affects which others are used, or how, values between those
    where that changes. A hyperparameter found in such a call is varied in turn, starting from that
    call's configuration. No configuration is built twice. Exceptions are recorded and ignored.

    Args:
        build: called with a new `HyperParameters`; its result is ignored.
        limit: maximum number of calls.
        space: the hyperparameters known before the first call.

    Raises:
        InvalidInput: a name has several definitions that no condition distinguishes, or too many.
    """
    search = _Discoverer(build, limit, Space() if space is None else space)
    search.run({})
    for values in search.pending():
        search.run(values)
    found, inferred = infer_conditions(search.known, search.observations)
    return Discovery(
        found, search.builds, inferred, search.known, tuple(search.observations), search.complete
    )


class _Discoverer:
    """State of a discovery: known hyperparameters, completed calls and queued ones."""

    def __init__(
        self, build: Callable[[HyperParameters], object], limit: int, space: Space
    ) -> None:
        self.known: tuple[Hyperparameter, ...] = tuple(space)
        self._given = space
        self.observations: list[Observation] = []
        self.builds = 0
        self.complete = True
        self._build = build
        self._limit = max(1, limit)
        self._order = count()
        self._queue: list[tuple[int, int, dict[str, Value]]] = []
        # values of the call in which it was found
        self._context: dict[_Asked, dict[str, Value]] = {}
        self._done: set[frozenset[tuple[str, Typed]]] = set()

    def run(self, values: Mapping[str, Value]) -> None:
        """Calls ``build`` unless this configuration was built before or the limit is reached."""
        different = frozenset((name, typed(value)) for name, value in values.items())
        if different in self._done:
            return
        if self.builds >= self._limit:
            self.complete = False
            return
        self._done.add(different)
        self.builds += 1
        hp = HyperParameters(self.known, values)
        error = None
        try:
            self._build(hp)
        except Exception:
            error = traceback.format_exc()
        for h in hp.joined:
            if h.name in self._given:
                raise two_definitions(self._given[h.name], h)
        self.known = hp.known
        self.observations.append(Observation(hp.config, error, hp.asked))
        for asked in hp.asked.items():
            if asked not in self._context:
                self._context[asked] = dict(values)
                self._plan(self._of(asked), values)

    def _of(self, asked: "_Asked") -> Hyperparameter:
        """The hyperparameter with this name and definition.

        Raises:
            InvalidInput: the name has too many definitions.
        """
        variants = [h for h in self.known if h.name == asked[0]]
        if len(variants) > MOST_VARIANTS:
            raise too_many(variants)
        return next(h for h in variants if h.definition_id == asked[1])

    def _plan(self, h: Hyperparameter, values: Mapping[str, Value]) -> None:
        tried = list(_tried(h))
        for value in tried:
            self._push(h, value, values, len(tried))

    def _push(
        self, h: Hyperparameter, value: Value, values: Mapping[str, Value], rank: int
    ) -> None:
        if typed(value) == typed(h.default):  # built already
            return
        rank = _MOST_TRIED + 1 if h.num_values is None else rank
        heapq.heappush(self._queue, (rank, next(self._order), {**values, h.name: value}))

    def pending(self) -> Iterator[dict[str, Value]]:
        """Configurations to build, first of hyperparameters with few values: likely switches."""
        while self._queue or (self.complete and self._bisect()):
            yield heapq.heappop(self._queue)[-1]

    def _bisect(self) -> bool:
        """Queues midpoints between neighbours of a long range whose calls used other names."""
        for asked, context in self._context.items():
            h = self._of(asked)
            if h.num_values is None or h.num_values <= _MOST_TRIED or not h.is_ordered:
                continue
            runs = {
                h.index_of(o.config[h.name]): frozenset(o.asked.items())
                for o in self._along(asked, context)
            }
            for low, high in pairwise(sorted(runs)):
                if high - low > 1 and runs[low] != runs[high]:
                    self._push(h, h.value_at((low + high) // 2), context, 0)
        return bool(self._queue)

    def _along(self, asked: "_Asked", context: Mapping[str, Value]) -> Iterator[Observation]:
        """Successful calls that differ from the one where it was found in its own value at most."""
        for o in self.observations:
            if o.error is not None or o.asked.get(asked[0]) != asked[1]:
                continue
            if all(
                typed(o.config[name]) == typed(context.get(name, self._of((name, key)).default))
                for name, key in o.asked.items()
                if name != asked[0]
            ):
                yield o


def _tried(h: Hyperparameter) -> Iterator[Value]:
    """Every value of a short range; the ends of a long or continuous one."""
    if h.num_values is None:
        yield h.from_unit(0.0)
        yield h.from_unit(1.0)
    elif h.num_values <= _MOST_TRIED:
        yield from map(h.value_at, range(h.num_values))
    else:
        yield h.value_at(0)
        yield h.value_at(h.num_values - 1)
