"""CMA-ES with a normal distribution and one categorical distribution for each category.

CatCMA with margin, from the library ``cmaes``: Hamano, Saito, Nomura, Uchida, Shirakawa, "CatCMA
with Margin" (2025), arXiv 2504.07884. When a distribution has converged, it restarts with twice the
population: Auger & Hansen, "A restart CMA evolution strategy with increasing population size"
(2005).

The distribution is computed from the trials alone: those that have ended, in order, one population
at a time. So only the random state is stored, trials of other strategies are used as well, and a
running trial does not block. Only ranks count, hence a failed trial can be ranked last.

| symbol | meaning |
| --- | --- |
| u | coordinates of a configuration in the unit cube, shape [d] |
| v | normally distributed: u of the continuous, the index of the ordered discrete; shape [n] |
| c | one row for each category, one-hot, zero-padded to the longest; shape [m, k] |
"""

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, Objective, Trial, TrialState, Value
from paceline.search.strategy import (
    DEFAULT,
    History,
    Proposal,
    ProposalList,
    Strategy,
    check_seed,
    register,
)
from paceline.space import Hyperparameter, Space

_MOST_STEPS = 64
"""Ordered discrete values up to this number are steps; with more they are treated as continuous."""

_SPREAD = 0.25
"""Standard deviation of the first population, as a fraction of the range."""

_BLOCK = 256

Array = npt.NDArray[np.float64]


@register
@dataclass(frozen=True, slots=True)
class CMAES(Strategy):
    """The default configuration, then samples of a distribution adapted to the best trials.

    For spaces of numbers and hundreds to thousands of trials; with fewer, ``"bayes"`` is better.

    Attributes:
        seed: of all draws, from 0.
        draw: number of the next draw; each has its own random stream.
        started: whether the default configuration has been proposed.
    """

    name: ClassVar[str] = "cmaes"

    seed: int
    draw: int = 0
    started: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed(self.seed))

    @property
    def learns(self) -> bool:
        """True."""
        return True

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The default first, then new samples."""
        batch, draw = ProposalList(space, history), self.draw
        if count > 0 and not self.started:
            batch.take(space.default(), DEFAULT)
        if len(batch) < count:
            sample = _sampler(space, history, self.seed)
            draw = batch.fill(count, sample, draw, self.seed, self.name)
        return replace(self, draw=draw, started=self.started or count > 0), tuple(batch.proposals)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {
            "strategy": self.name,
            "seed": self.seed,
            "draw": self.draw,
            "started": self.started,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(state["seed"], state["draw"], state["started"])


@dataclass(frozen=True)
class _Axes:
    """Which coordinates of u are continuous, steps or categories; constant ones are omitted."""

    continuous: npt.NDArray[np.intp]
    stepped: npt.NDArray[np.intp]
    categories: npt.NDArray[np.intp]
    num_values: Array

    @classmethod
    def of(cls, space: Space) -> "_Axes":
        kinds = np.array([_kind(h) for h in space], dtype=str)
        continuous, stepped, categories = (
            np.flatnonzero(kinds == kind) for kind in ("continuous", "step", "category")
        )
        return cls(
            continuous,
            stepped,
            categories,
            np.array([h.num_values or 1 for h in space], dtype=np.float64),
        )

    def index(self, u: Array, at: npt.NDArray[np.intp]) -> Array:
        """Indices of the values at u."""
        counts = self.num_values[at]
        cells: Array = np.minimum(np.floor(u[at] * counts), counts - 1)
        return cells

    def point(self, sample: Any) -> Array:
        """Coordinates u of a sample."""
        u, numbers = np.full(len(self.num_values), 0.5), len(self.continuous)
        if numbers:
            u[self.continuous] = sample.x
        if len(self.stepped):
            u[self.stepped] = (sample.z + 0.5) / self.num_values[self.stepped]
        if len(self.categories):
            u[self.categories] = (sample.c.argmax(axis=1) + 0.5) / self.num_values[self.categories]
        return u


def _kind(h: Hyperparameter) -> str:
    if h.num_values == 1:
        return "none"
    if not h.is_ordered or h.num_values == 2:
        return "category"
    return "continuous" if h.num_values is None or h.num_values > _MOST_STEPS else "step"


def _sampler(space: Space, history: History, seed: int) -> Callable[[int], dict[str, Value]]:
    """A function from the number of a draw to a configuration."""
    generation = _latest(space, history, seed)
    if generation is None:
        return lambda _: space.default()

    def draw(number: int) -> dict[str, Value]:
        generation.distribution.reseed_rng(_seeds(seed, number // _BLOCK)[number % _BLOCK])
        return space.decode(generation.axes.point(generation.distribution.ask()))

    return draw


@lru_cache(maxsize=16)
def _seeds(seed: int, block: int) -> Sequence[int]:
    """Seeds of the draws from number ``_BLOCK block`` on."""
    return tuple(
        map(int, np.random.SeedSequence(seed, spawn_key=(0, block)).generate_state(_BLOCK))
    )


@dataclass(frozen=True, eq=False)
class _Generation:
    """The distribution of a population; compared by identity, so that it can be a cache key."""

    space: Space
    seed: int
    number: int
    axes: _Axes
    distribution: Any


_RankedConfig = tuple[tuple[tuple[str, Value], ...], int]
"""A configuration of a population, and its rank in it."""


def _latest(space: Space, history: History, seed: int) -> _Generation | None:
    """The distribution after all trials that have ended; None if no hyperparameter varies."""
    generation = _first(space, seed)
    ended = [trial for trial in history.trials if trial.state.is_final]
    while generation is not None and len(ended) >= generation.distribution.population_size:
        size = generation.distribution.population_size
        population, ended = ended[:size], ended[size:]
        ranks = {
            trial.number: rank for rank, trial in enumerate(_ranked(population, history.objective))
        }
        generation = _next(
            generation,
            tuple((tuple(trial.config.items()), ranks[trial.number]) for trial in population),
        )
    return generation


@lru_cache(maxsize=64)
def _first(space: Space, seed: int) -> _Generation | None:
    axes = _Axes.of(space)
    if not any(map(len, (axes.continuous, axes.stepped, axes.categories))):
        return None
    return _Generation(space, seed, 0, axes, _fresh(axes, None))


@lru_cache(maxsize=4096)
def _next(generation: _Generation, population: tuple[_RankedConfig, ...]) -> _Generation:
    """The distribution after one more population; cached, so that only the newest is computed."""
    number, axes, distribution = (
        generation.number + 1,
        generation.axes,
        copy.deepcopy(generation.distribution),
    )
    distribution.reseed_rng(
        int(np.random.SeedSequence(generation.seed, spawn_key=(1, number)).generate_state(1)[0])
    )
    with np.errstate(all="ignore"):
        distribution.tell(
            [
                (_solution(generation, dict(config), distribution), rank)
                for config, rank in population
            ]
        )
        if _is_spent(distribution, axes):
            distribution = _fresh(axes, 2 * len(population))
    return _Generation(generation.space, generation.seed, number, axes, distribution)


def _fresh(axes: _Axes, population: int | None) -> Any:
    """The initial distribution: the middle of the space, all categories equally likely."""
    library = importlib.import_module("cmaes")  # imported late: it loads much of SciPy
    steps = axes.num_values[axes.stepped]
    ranges = np.concatenate([np.ones(len(axes.continuous)), steps - 1])
    return library.CatCMAwM(
        x_space=[[0.0, 1.0]] * len(axes.continuous) or None,
        z_space=[list(range(int(count))) for count in steps] or None,
        c_space=[int(count) for count in axes.num_values[axes.categories]] or None,
        mean=ranges / 2 if len(ranges) else None,
        cov=np.diag((_SPREAD * ranges) ** 2) if len(ranges) else None,
        population_size=population,
    )


def _solution(generation: _Generation, config: Configuration, distribution: Any) -> Any:
    """A trial as a solution of the library, with inactive coordinates drawn from the distribution.

    The library takes its samples as ``_v_raw`` and ``c``. The first is not public, but the only way
    to pass samples of another process or another strategy.
    """
    axes, u = generation.axes, generation.space.encode(config)
    inactive = np.isnan(u)
    if inactive.any():
        u = np.where(inactive, axes.point(distribution.ask()), u)
    v, c = np.concatenate([u[axes.continuous], axes.index(u, axes.stepped)]), None
    if len(axes.categories):
        c = axes.index(u, axes.categories)[:, None] == np.arange(
            axes.num_values[axes.categories].max()
        )
    return type(distribution).Solution(c=c, _v_raw=v if v.size else None)


def _ranked(trials: Sequence[Trial], objective: Objective | None) -> list[Trial]:
    """Best first: completed trials, then stopped ones by epochs and score, then failed ones."""

    def place(trial: Trial) -> tuple[int, int, float]:
        if trial.state is TrialState.FAILED or trial.score is None or not np.isfinite(trial.score):
            return 2, 0, 0.0
        loss = objective.loss(trial.score) if objective is not None else trial.score
        reached = -trial.measurements[-1].epoch if trial.measurements else 0
        return (0, 0, loss) if trial.state is TrialState.COMPLETED else (1, reached, loss)

    return sorted(trials, key=place)


def _is_spent(distribution: Any, axes: _Axes) -> bool:
    """Whether the distribution has converged to a point or is numerically degenerate."""
    if not (len(axes.continuous) or len(axes.stepped)):
        return False  # the library checks the normal part only; categories keep a margin
    sample = distribution.ask()
    return not np.isfinite(sample._v_raw).all() or bool(distribution.should_stop())
