"""What may vary in a define-by-run ``build(hp)``, found by running it."""

import heapq
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, pairwise

from paceline.core import Value
from paceline.space.base import Condition, Hyperparameter, Typed, typed
from paceline.space.define import HyperParameters, two_definitions
from paceline.space.infer import MOST_VARIANTS, Observation, infer_conditions, too_many
from paceline.space.space import Space

_MOST_TRIED = 16

_Asked = tuple[str, str]
"""Name and ``definition_id`` of a hyperparameter."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What `discover` found.

    Attributes:
        space: every hyperparameter met, with declared and inferred conditions.
        builds: how often ``build`` was called.
        inferred: by name, the conditions that nobody declared but all runs show.
        declared: the hyperparameters as met, with their declared conditions only; what
            `infer_conditions` starts from.
        observations: what each run asked for, failed ones included; the first is of the default
            configuration.
        complete: False where the limit ended it with something left to try.
    """

    space: Space
    builds: int
    inferred: tuple[tuple[str, tuple[Condition, ...]], ...]
    declared: tuple[Hyperparameter, ...] = field(repr=False)
    observations: tuple[Observation, ...] = field(repr=False)
    complete: bool

    @property
    def failures(self) -> tuple[Observation, ...]:
        """The runs that raised."""
        return tuple(o for o in self.observations if o.error is not None)


def discover(
    build: Callable[[HyperParameters], object],
    limit: int = 64,
    *,
    space: Space | None = None,
) -> Discovery:
    """Runs ``build`` on the default configuration, then on some that differ in one value, until
    nothing new turns up.

    Each discrete hyperparameter of up to 16 values takes every value, any other its ends (and,
    where it is discrete and decides which others are asked for, or how, those between which that
    changes). One that turns up in such a run is varied in turn from that run's configuration. No
    configuration is run twice. What raises is recorded and passed over.

    Args:
        build: called with a fresh `HyperParameters`; what it returns is dropped.
        limit: how many times it may be called.
        space: what is known to vary before the first run.

    Raises:
        InvalidInput: a name is asked for with several definitions which nothing tells apart, or
            with too many.
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
    """The state of one discovery: what is known, what was run, what is still to be run."""

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
        self._context: dict[
            _Asked, dict[str, Value]
        ] = {}  # values of the run in which it turned up
        self._done: set[frozenset[tuple[str, Typed]]] = set()

    def run(self, values: Mapping[str, Value]) -> None:
        """One build, unless it was run before or the limit is reached."""
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
        """The hyperparameter that was asked for.

        Raises:
            InvalidInput: there are too many of this name.
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
        if typed(value) == typed(h.default):  # as in the run in which it turned up
            return
        rank = _MOST_TRIED + 1 if h.num_values is None else rank
        heapq.heappush(self._queue, (rank, next(self._order), {**values, h.name: value}))

    def pending(self) -> Iterator[dict[str, Value]]:
        """Values to be run, first of hyperparameters that have few: these are likelier to be
        switches.
        """
        while self._queue or (self.complete and self._bisect()):
            yield heapq.heappop(self._queue)[-1]

    def _bisect(self) -> bool:
        """Plans the middle between neighbours tried of a long range whose runs asked for different
        things.
        """
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
        """The successful runs in which all but one value is as in the run where that one turned
        up.
        """
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
    """Every value of a short range, the ends of a long or continuous one."""
    if h.num_values is None:
        yield h.from_unit(0.0)
        yield h.from_unit(1.0)
    elif h.num_values <= _MOST_TRIED:
        yield from map(h.value_at, range(h.num_values))
    else:
        yield h.value_at(0)
        yield h.value_at(h.num_values - 1)
