"""What the losses vary by: functional analysis of variance on a forest (fANOVA; Hutter, Hoos, Leyton-Brown 2014).

The share of a hyperparameter is the variance of the mean loss given its value, all else drawn evenly, over the variance
of the losses; that of a pair is what the mean loss given both values adds to that. As in the paper the forest's part
is integrated exactly over the boxes of its leaves. Unlike there, a forest's own errors are not part of the result: its
means are corrected with the trials that each tree has not seen (see `forest`), and the squares of what is then known
up to noise are corrected for that noise (see `squares`). The sum over boxes is only taken on a few smooth functions.

A conditional hyperparameter's share counts the configurations in which it is active, weighted with how many those
are, and not the difference between being active or not: that belongs to its parent. (The same is in PED-ANOVA for
conditional spaces, arXiv:2601.20800.)

| symbol | meaning |
| --- | --- |
| phi_k | orthonormal functions of one hyperparameter, or products of two such; K of them |
| beta | share of the space in which the hyperparameters are active |
| c_k | sqrt(beta) times the mean of phi_k times the loss over that part; the variance explained is sum of c_k^2 |
| V | variance of the losses over the space, with their noise |
| w_b | how often each trial is in bootstrap sample b, less 1 |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from paceline.core import InvalidInput
from paceline.stats.axes import Array, basis
from paceline.stats.forest import Forest, Quality, grow
from paceline.stats.squares import Square, squared_length
from paceline.stats.table import LEAST_TRIALS, Table

SAMPLES = 600
FUNCTIONS = 8  # of an ordered hyperparameter; of a category as many as it has values, less one
_FUNCTIONS_OF_PAIRS = 3
TRIALS_PER_FUNCTION = 4
WIDER = 1.1
"""By how much noise is taken for larger than the bootstrap's, which keeps the forest as it is. On linear and product
functions of 100 and 200 trials the estimates' spread was 0.9 to 1.25 times what the bootstrap said; with this factor
the intervals of ``benchmarks/importance.py`` cover what they should. PED-ANOVA's take it for their few best trials."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a hyperparameter, or a pair of them, explains.

    Attributes:
        names: of the hyperparameters, one or two.
        share: of the variance, from 0 to 1; what chance alone would show has been taken off.
        low, high: 95 % bootstrap interval of the share.
        num_trials: trials in which all of them were active; of fewer than `LEAST_TRIALS` nothing is known, so that the
            interval is from 0 to 1.
    """

    names: tuple[str, ...]
    share: float
    low: float
    high: float
    num_trials: int

    @classmethod
    def of(cls, names: tuple[str, ...], square: Square, unit: float, num_trials: int) -> "Share":
        """A squared length as a share of ``unit``."""
        low, share, high = (float(min(1.0, part / unit)) for part in (square.low, square.value, square.high))
        few = num_trials < LEAST_TRIALS
        return cls(names, share, 0.0 if few else low, 1.0 if few else high, num_trials)


@dataclass(frozen=True, eq=False)
class Variance:
    """The analysis of variance of one table.

    Attributes:
        table: the trials.
        forest: fitted to them.
    """

    table: Table
    forest: Forest = field(repr=False)

    @classmethod
    def of(cls, table: Table) -> "Variance":
        """Fits the forest.

        Raises:
            InvalidInput: fewer than `LEAST_TRIALS` trials, nothing that varies, or losses that are all equal.
        """
        check(table)
        return cls(table, grow(table))

    @property
    def quality(self) -> Quality:
        """How well the forest foresees."""
        return self.forest.quality

    def shares(self) -> list[Share]:
        """Of each hyperparameter, in the order of the space."""
        return self._shares([(place,) for place in range(len(self.table.axes))])

    def interactions(self) -> list[Share]:
        """Of each pair, the largest first: what both together explain beyond what each does alone."""
        shares = self._shares(list(combinations(range(len(self.table.axes)), 2)))
        return sorted(shares, key=lambda share: -share.share)

    def _shares(self, groups: Sequence[tuple[int, ...]]) -> list[Share]:
        table, forest = self.table, self.forest
        weights = table.bootstrap(SAMPLES, table.even) - table.even
        variance, variance_noise = self._variance(weights)
        found = []
        for places in groups:
            effect = Effect.of(table, forest, places, FUNCTIONS if len(places) == 1 else _FUNCTIONS_OF_PAIRS)
            noise = WIDER * effect.noise(weights)
            square = squared_length(effect.coefficients, noise, variance_noise / variance)
            names = tuple(table.axes[place].name for place in places)
            found.append(Share.of(names, square, variance, effect.num_trials))
        return found

    def _variance(self, weights: Array) -> tuple[float, Array]:
        """V, and the noise of it in each bootstrap sample."""
        forest, n = self.forest, self.table.even.sum()
        volume = np.prod(forest.widths, axis=0)
        mean = float(volume @ forest.values) + forest.left.sum() / n
        # values are over the number of trees, so that their squares are to be multiplied with it once
        square = float(volume @ forest.values**2) * forest.num_trees + forest.left_squares.sum() / n
        noise = weights @ (forest.left_squares - 2 * mean * forest.left) / n
        least = 1e-3 * float(self.table.losses.var())  # of a few trials it may come out below 0
        return max(square - mean**2, least), noise


@dataclass(frozen=True, eq=False)
class Effect:
    """The mean loss as a function of some hyperparameters, on orthonormal functions.

    Attributes:
        coefficients: c, shape [K].
        parts: what each trial adds to the coefficients beyond the forest's part, shape [n, K].
        functions: phi of each hyperparameter, shape [G, K'] each.
        from_forest: the forest's part of the coefficients, shape [K].
        level: the forest's mean of the centred loss where all are active.
        active_share: beta.
        num_trials: trials in which all are active.
    """

    coefficients: Array
    parts: Array
    functions: tuple[Array, ...]
    from_forest: Array
    level: float
    active_share: float
    num_trials: int

    @classmethod
    def of(cls, table: Table, forest: Forest, places: tuple[int, ...], most: int) -> "Effect":
        """The effect of the hyperparameters on these axes, on at most ``most`` functions of each."""
        measures = table.region(places)
        sums = [measure.sum() for measure in measures]
        beta = float(np.prod(sums))
        active = table.active[:, list(places)].all(axis=1)
        even = active & table.even
        room = max(1, int((even.sum() / TRIALS_PER_FUNCTION) ** (1 / len(places))))
        own_measures = [measures[j] / max(sums[j], 1e-12) for j in places]
        functions = tuple(
            basis(measure, min(room, most if table.axes[j].ordered else len(measure)))
            for j, measure in zip(places, own_measures, strict=True)
        )
        rest = forest.values
        for j, (measure, axis) in enumerate(zip(measures, table.axes, strict=True)):
            if j not in places:
                cut = measure is not axis.lengths
                rest = rest * (forest.inside(j, measure) / max(sums[j], 1e-12) if cut else forest.widths[j])
        inside = [
            forest.inside(j, measure[:, None] * phi)
            for j, measure, phi in zip(places, own_measures, functions, strict=True)
        ]
        at_trials = [phi[table.cells[:, j]] for j, phi in zip(places, functions, strict=True)]
        own, seen = inside[0], at_trials[0]
        for more, here in zip(inside[1:], at_trials[1:], strict=True):
            own = (own[:, :, None] * more[:, None, :]).reshape(len(own), -1)
            seen = (seen[:, :, None] * here[:, None, :]).reshape(len(seen), -1)
        parts = np.sqrt(beta) / max(even.sum(), 1) * seen * (active * forest.left)[:, None]
        from_forest = np.sqrt(beta) * (own.T @ rest)
        widths = [forest.inside(j, measure) for j, measure in zip(places, own_measures, strict=True)]
        level = float(rest @ np.prod(widths, axis=0))
        coefficients = from_forest + parts.sum(axis=0)
        return cls(coefficients, parts, functions, from_forest, level, beta, int(active.sum()))

    def noise(self, weights: Array) -> Array:
        """Of the coefficients in bootstrap samples, shape [num, K]."""
        noise: Array = weights @ self.parts
        return noise


def check(table: Table) -> None:
    """Whether anything can be said.

    Raises:
        InvalidInput: fewer than `LEAST_TRIALS` trials, nothing that varies, or losses that are all equal.
    """
    if not table.axes:
        raise InvalidInput("no hyperparameter varies", expected="at least one with more than one value")
    if len(table.losses) < LEAST_TRIALS:
        raise InvalidInput(f"{len(table.losses)} trials have a score", expected=f"at least {LEAST_TRIALS}")
    if np.ptp(table.losses) == 0:
        raise InvalidInput("all scores are equal", expected="scores that differ")
