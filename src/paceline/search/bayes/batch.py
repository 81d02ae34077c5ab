"""A batch of proposals from one set of candidates.

A batch mixes acquisition functions, because a single one repeats its mistakes: expected improvement
for half of it, pure exploration in promising regions (UCB-PE: Contal et al. (2013), with the
constants of Song et al., "The Vizier Gaussian process bandit algorithm" (2024)), and expected
improvement near the best configurations.

| symbol | meaning |
| --- | --- |
| U, Z | free and settled coordinates of candidates, [m, d] |
| tau | the mean at the observed point with the lowest confidence bound |
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration
from paceline.search.bayes.acquisition import FantasizedCandidates
from paceline.search.bayes.candidates import neighbours, perturbed, polished
from paceline.search.bayes.coordinates import Array, Coordinates, Mask
from paceline.search.bayes.gaussian_process import GaussianProcess
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.subset import spread_out
from paceline.search.strategy import ProposalList

Belief = Callable[[Array], Array]
"""Added to log expected improvement, given settled coordinates [m, d]; shape [m]."""

Cost = Callable[[Configuration], float]
"""Cost of a configuration, above 0; infinity if it exceeds the budget."""

IMPROVE, EXPLORE, LOCAL = "improve", "explore", "local"
_CYCLE = (IMPROVE, IMPROVE, EXPLORE, IMPROVE, LOCAL, IMPROVE, EXPLORE, IMPROVE)
_FUTURES, _BASELINE, _STARTS, _ROUNDS = 16, 8, 6, 8
_WIDE, _NEAR = 1024, 512
_MANY = 300  # observations from which on the number of candidates is halved
_MOST_PENDING = 160  # running trials whose values are taken into account
_MANY_PICKS, _MOST_IN_GREEDY = 16, 384  # a batch of so many is picked from fewer candidates
_COST_POWER = 0.5
_SHORTLIST = 16  # candidates of different kinds whose cost is computed


@dataclass(frozen=True)
class Round:
    """The inputs of one batch of proposals.

    Attributes:
        coordinates: of the space.
        kernel: of the space.
        model: conditioned on the observations.
        Z: settled coordinates of the observations, [n, d].
        pending: settled coordinates of running trials, [k, d].
        belief: added to log expected improvement at settled coordinates.
        cost: of a configuration; None if all cost the same.
        rng: random numbers of this batch.
    """

    coordinates: Coordinates
    kernel: Kernel
    model: GaussianProcess
    Z: Array
    pending: Array
    belief: Belief
    cost: Cost | None
    rng: np.random.Generator

    def fill(self, batch: ProposalList, count: int, origin: str) -> None:
        """Adds up to ``count`` proposals; fewer only if there are no more new candidates."""
        mean = self.model.smoothed[: len(self.Z)]  # those of an earlier study follow
        order = np.argsort(mean, kind="stable")
        U, local = self._candidates(order)
        if not len(U):
            return
        Z = self.coordinates.settle(U)
        candidates = self._fantasized(Z, order, 1)
        promise = candidates.log_improvement(len(U)) + self.belief(Z)
        top = np.argsort(-promise, kind="stable")[: _STARTS // self._shrink]
        climbed, reached = polished(
            self.coordinates,
            U[top],
            self._score(candidates),
            promise[top],
            self._is_new,
            _ROUNDS // self._shrink,
        )
        climbed, reached = self._with_siblings(candidates, climbed, reached)
        if count == 1:
            rest = np.argsort(-promise, kind="stable")
            rows, values = (
                np.concatenate([climbed, U[rest]]),
                np.concatenate([reached, promise[rest]]),
            )
            self._take_best(batch, self.coordinates.settle(rows), values, origin)
            return
        around = perturbed(
            self.coordinates,
            np.repeat(climbed, 16, axis=0),
            self.rng,
            np.full(16 * len(climbed), 0.05),
        )
        if count >= _MANY_PICKS:
            U, local = self._fewer(U, local, promise)
        U = np.concatenate([U, climbed, around])
        local = np.concatenate([local, np.ones(len(climbed) + len(around), dtype=bool)])
        Z = self.coordinates.settle(U)
        keep = self._is_new(Z)
        tau = mean[np.argmin(mean - 1.8 * np.sqrt(self.model.doubt[: len(mean)]))]
        self._greedy(
            batch,
            count,
            origin,
            Z[keep],
            local[keep],
            self._fantasized(Z[keep], order, count),
            float(tau),
        )

    def _fewer(self, U: Array, local: Mask, promise: Array) -> tuple[Array, Mask]:
        """The most promising candidates, and as many of all others: each pick costs less then."""
        order = np.argsort(-promise, kind="stable")
        half = _MOST_IN_GREEDY // 2
        step = max(1, (len(U) - half) // half)
        kept = np.sort(np.concatenate([order[:half], order[half::step]]))
        return U[kept], local[kept]

    def _with_siblings(
        self, candidates: FantasizedCandidates, U: Array, values: Array
    ) -> tuple[Array, Array]:
        """If costs differ: adds neighbours of the best, which may be as good and cheaper."""
        if self.cost is None:
            return U, values
        beside = neighbours(self.coordinates, U[[np.argmax(values)]], np.array([0.05]))[0]
        Z = self.coordinates.settle(beside)
        promise = np.where(self._is_new(Z), self._score(candidates)(Z), -np.inf)
        return np.concatenate([U, beside]), np.concatenate([values, promise])

    @property
    def _shrink(self) -> int:
        """Factor by which fewer candidates are evaluated, because each costs more."""
        return 2 if len(self.Z) > _MANY else 1

    def _candidates(self, order: npt.NDArray[np.intp]) -> tuple[Array, Mask]:
        """New free coordinates, and which of them are close to the best three."""
        rng, shrink = self.rng, self._shrink
        every = self.coordinates.every
        wide = rng.random((_WIDE // shrink, self.Z.shape[1])) if every is None else every
        tops = order[: 8 // shrink]
        near = np.repeat(tops, _NEAR // 8)
        U = np.where(np.isnan(self.Z[near]), rng.random((len(near), self.Z.shape[1])), self.Z[near])
        scale = 0.3 * np.exp2(-(np.arange(len(near)) % 6).astype(np.float64))
        U = np.concatenate([wide, perturbed(self.coordinates, U, rng, scale)])
        local = np.concatenate(
            [np.zeros(len(wide), dtype=bool), np.isin(near, tops[:3]) & (scale < 0.1)]
        )
        keep = self._is_new(self.coordinates.settle(U))
        return U[keep], local[keep]

    @cached_property
    def _known(self) -> Array:
        return np.sort(_digest(np.concatenate([self.Z, self.pending])))

    def _is_new(self, Z: Array) -> Mask:
        digests = _digest(Z)
        at = np.minimum(np.searchsorted(self._known, digests), len(self._known) - 1)
        new: Mask = self._known[at] != digests
        return new

    @cached_property
    def _considered(self) -> Array:
        """The running trials that are conditioned on: of very many the promising, and a spread.

        The time of a proposal grows with their square.
        """
        if len(self.pending) <= _MOST_PENDING:
            return self.pending
        mean = self.model.at(self.kernel.features(self.pending))[0]
        return self.pending[spread_out(self.pending, mean, _MOST_PENDING)]

    def _fantasized(
        self, Z: Array, order: npt.NDArray[np.intp], picks: int
    ) -> FantasizedCandidates:
        """Candidates, conditioned on possible best points and running trials, which follow them."""
        best = order[:_BASELINE]
        points = np.concatenate([Z, self.Z[best], self._considered])
        extra = len(points) - len(Z)
        candidates = FantasizedCandidates(
            self.model, self.kernel.features(points), _normals(self.rng, extra + picks, _FUTURES)
        )
        candidates.condition(np.arange(len(Z), len(points)))
        return candidates

    def _score(self, candidates: FantasizedCandidates) -> Callable[[Array], Array]:
        return lambda Z: candidates.log_improvement_of(self.kernel.features(Z)) + self.belief(Z)

    def _take_best(self, batch: ProposalList, Z: Array, values: Array, origin: str) -> int | None:
        """Adds the first new candidate by value, or by value per cost; returns its row."""
        if self.cost is None and len(values):  # the first one is new in most cases
            first = int(np.argmax(values))
            if math.isfinite(values[first]) and batch.take(
                self.coordinates.config(Z[first]), origin
            ):
                return first
        ranked = np.argsort(-values, kind="stable")
        order: list[int] = ranked[np.isfinite(values[ranked])].tolist()
        if self.cost is not None:
            order = self._by_worth(self.cost, Z, values, order) + order
        for row in order:
            if batch.take(self.coordinates.config(Z[row]), origin):
                return int(row)
        return None

    def _by_worth(self, cost: Cost, Z: Array, values: Array, order: list[int]) -> list[int]:
        """A short list of candidates by value per cost; only affordable ones if there are any."""

        def price(row: int) -> float:
            return cost(self.coordinates.config(Z[row]))

        # One of each kind: the best alone would fill the list with similar ones of equal cost. An
        # end of a range is a kind of its own: a dropout rate of 0 is a layer less, and another
        # program than one of 0.02
        rounded = np.where(
            Z[order] == 0.0, -0.5, np.where(Z[order] == 1.0, 1.5, np.round(Z[order], 1))
        )
        kinds = np.unique(_digest(rounded), return_index=True)[1]
        head = [order[at] for at in np.sort(kinds)[:_SHORTLIST].tolist()]
        prices = np.array([price(row) for row in head])
        if not np.isfinite(prices).any():
            return next(([row] for row in order if math.isfinite(price(row))), [])
        worth = values[head] - _COST_POWER * np.log(np.maximum(prices, 1e-9))
        return [head[at] for at in np.argsort(-worth, kind="stable")]

    def _greedy(
        self,
        batch: ProposalList,
        count: int,
        origin: str,
        Z: Array,
        local: Mask,
        candidates: FantasizedCandidates,
        tau: float,
    ) -> None:
        """Adds one candidate after another, each conditioned on those before."""
        m = len(Z)
        deviation = np.sqrt(candidates.variance[:m])
        hope = candidates.mean[:m] - 0.5 * deviation - tau
        belief, left = self.belief(Z), np.ones(m, dtype=bool)
        for pick in range(count):
            kind = _CYCLE[pick % len(_CYCLE)]
            if kind == EXPLORE:
                values = np.sqrt(candidates.variance[:m]) - 10 * np.maximum(0.0, hope)
            else:
                values = candidates.log_improvement(m) + belief
            allowed = left & local if kind == LOCAL and (left & local).any() else left
            row = self._take_best(batch, Z, np.where(allowed, values, -np.inf), origin)
            if row is None:
                return
            left[row] = False
            if pick + 1 < count:
                candidates.condition(np.array([row]))


def _digest(Z: Array) -> Array:
    """One number for each row of settled coordinates, equal for equal rows."""
    filled = np.where(np.isnan(Z), -1.0, Z)
    primes = np.sqrt(np.arange(2, 2 + Z.shape[1]) * 1.7)
    digests: Array = np.round((filled * primes).sum(1), 9)
    return digests


def _normals(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Standard normal draws from evenly spread points, [rows, columns]."""
    from scipy.special import ndtri

    even = ndtri((np.arange(columns) + 0.5) / columns)
    return rng.permuted(np.tile(even / even.std(), (rows, 1)), axis=1)
