"""A forest of trees fitted to losses, taken apart into the boxes of its leaves.

The trees are extremely randomised ones, each grown on a bootstrap sample, so that each has trials that it has never
seen. Compared with Breiman's forest on smooth functions of 100 evenly drawn trials, they explained more of such trials
(R2 0.89 against 0.83 to 0.86; both of scikit-learn).

| symbol | meaning |
| --- | --- |
| T, L | trees; leaves of all trees |
| f_t(x) | prediction of tree t |
| n | trials drawn evenly over the space |
| n_t | how many of these tree t has not seen |
| q_i | mean over trees of (y_i - f_t(x_i)) n / n_t where tree t has not seen trial i, else 0 |
| a_i | the same of squares: y_i^2 - f_t(x_i)^2 |

For any function phi of a configuration that is drawn evenly, mean_i phi(x_i) q_i plus the mean over trees of the exact
integral of phi f_t has the mean of phi times the true loss as its expectation, however bad the trees are: each tree was
grown without the trials with which it is corrected. Trials that a search chose itself make the trees better where it
looked, but would pull a mean over the space towards there, so they take no part in the correction.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array
from paceline.stats.table import Table
from paceline.stats.trees import grow_trees

TREES = 64


@dataclass(frozen=True, eq=False)
class Forest:
    """A forest, as boxes and what is left unexplained.

    Attributes:
        low, high: the cells [low, high) that a leaf covers on each axis, shape [L, d].
        widths: even measure of what a leaf covers of each axis, shape [d, L].
        values: prediction in each leaf, centred, over the number of trees, shape [L].
        left: q, shape [n].
        left_squares: a, shape [n].
        mean: what was taken off the losses.
        quality: how well it foresees trials that it has not seen.
    """

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    widths: Array
    values: Array
    left: Array
    left_squares: Array
    mean: float
    quality: "Quality"

    @property
    def num_trees(self) -> int:
        """T."""
        return TREES

    def inside(self, place: int, weights: Array) -> Array:
        """Sums of cell weights over each leaf's range on one axis, shape [L] for weights [G], [L, K] for [G, K]."""
        cumulated = np.concatenate([np.zeros_like(weights[:1]), np.cumsum(weights, axis=0)])
        return _between(cumulated, self.low[:, place], self.high[:, place])


def _between(cumulated: Array, low: npt.NDArray[np.intp], high: npt.NDArray[np.intp]) -> Array:
    return np.asarray(cumulated[high] - cumulated[low])


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a forest foresees trials that it has not seen (out of bag).

    Attributes:
        r2: share of the losses' variance that it explains; below 0 where their mean would be better.
        rank_correlation: Spearman's, between foreseen and measured.
        num_trials: trials that it was judged by.
    """

    r2: float
    rank_correlation: float
    num_trials: int

    @property
    def enough(self) -> bool:
        """Whether what the forest says is worth showing: an R2 of at least 0.3."""
        return self.r2 >= 0.3


def grow(table: Table) -> Forest:
    """Fits a forest to a table of at least two trials, on at least one axis."""
    mean = float(table.losses.mean())
    y, n = table.losses - mean, int(table.even.sum())
    sizes = [len(axis.lengths) for axis in table.axes]
    trees = grow_trees(table.cells, sizes, y, TREES, np.random.default_rng([table.seed, TREES]))
    unseen = (trees.drawn == 0) * table.even.astype(np.float64)
    weight = unseen * n / (TREES * np.maximum(unseen.sum(axis=1, keepdims=True), 1))
    widths = [
        _between(np.concatenate([[0.0], np.cumsum(axis.lengths)]), trees.low[:, j], trees.high[:, j])
        for j, axis in enumerate(table.axes)
    ]
    return Forest(
        trees.low, trees.high, np.array(widths), trees.values / TREES,
        left=(weight * (y - trees.foreseen)).sum(axis=0),
        left_squares=(weight * (y**2 - trees.foreseen**2)).sum(axis=0),
        mean=mean,
        quality=_quality(y, trees.foreseen, unseen),
    )  # fmt: skip


def _quality(y: Array, foreseen: Array, unseen: Array) -> Quality:
    some = unseen.sum(axis=0) > 0
    predicted = (unseen * foreseen).sum(axis=0)[some] / unseen.sum(axis=0)[some]
    measured = y[some]
    spread = ((measured - measured.mean()) ** 2).sum()
    if len(measured) < 2 or spread == 0:
        return Quality(0.0, 0.0, len(measured))
    r2 = 1 - ((measured - predicted) ** 2).sum() / spread
    return Quality(float(r2), rank_correlation(measured, predicted), len(measured))


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two lists, ties at their mean rank; 0 where one of them is constant."""
    ranks = [np.unique(x, return_inverse=True, return_counts=True)[1:] for x in (a, b)]
    p, q = ((np.cumsum(counts) - counts / 2)[place] for place, counts in ranks)
    p, q = p - p.mean(), q - q.mean()
    size = float(np.sqrt((p @ p) * (q @ q)))
    return float(p @ q) / size if size > 0 else 0.0
