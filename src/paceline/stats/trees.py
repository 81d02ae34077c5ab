"""Extremely randomised regression trees on cells (Geurts, Ernst, Wehenkel 2006), all of a forest grown at once.

Every tree has a bootstrap sample of the trials. A node is cut once at random on each axis, and the best of these cuts
splits it, until its trials lie in one place or have the same loss: scikit-learn's ``ExtraTreesRegressor`` with
``bootstrap=True``, whose predictions these trees' are alike. That one takes longer to import than this takes to grow.

| symbol | meaning |
| --- | --- |
| T, n, d | trees, trials, axes |
| R | rows: a trial in a tree, in nodes that are still to be split |
| M | such nodes |
| w | how often a row's trial is in its tree's sample |
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array

Cells = npt.NDArray[np.intp]

_SAME = 1e-9  # share of the losses' variance below which those of a node count as equal; and of two cuts' gains


@dataclass(frozen=True, eq=False)
class Trees:
    """The leaves of a forest, and what its trees say of each trial.

    Attributes:
        low, high: the cells [low, high) that a leaf covers on each axis, shape [L, d].
        values: mean loss in each leaf, shape [L].
        foreseen: of each tree and trial, shape [T, n].
        drawn: how often each trial is in each tree's sample, shape [T, n].
    """

    low: Cells
    high: Cells
    values: Array
    foreseen: Array
    drawn: Array


def grow_trees(cells: Cells, sizes: list[int], losses: Array, num: int, rng: np.random.Generator) -> Trees:
    """Grows a forest.

    Args:
        cells: of each trial on each axis, shape [n, d].
        sizes: number of cells of each axis.
        losses: of the trials, shape [n].
        num: T.
        rng: draws samples and cuts.
    """
    n, d = cells.shape
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=num).astype(np.float64)
    trial, w, node = np.tile(np.arange(n), num), drawn.ravel(), np.repeat(np.arange(num), n)
    row = np.arange(num * n)
    low, high = np.zeros((num, d), dtype=np.intp), np.tile(np.array(sizes, dtype=np.intp), (num, 1))
    least = _SAME * float(losses.var())
    foreseen = np.empty(num * n)
    lows, highs, values = [], [], []
    while len(row):  # a level of all trees
        mean, axis, cut = _cuts(cells[trial], losses[trial], w, node, len(low), least, rng)
        split = axis >= 0
        lows.append(low[~split])
        highs.append(high[~split])
        values.append(mean[~split])
        ended = ~split[node]
        foreseen[row[ended]] = mean[node[ended]]
        row, trial, w, node = row[~ended], trial[~ended], w[~ended], node[~ended]
        right = cells[trial, axis[node]] >= cut[node]
        node = 2 * (np.cumsum(split) - 1)[node] + right
        low, high = _halved(low[split], high[split], axis[split], cut[split])
    low, high = np.concatenate(lows), np.concatenate(highs)
    return Trees(low, high, np.concatenate(values), foreseen.reshape(num, n), drawn)


def _cuts(
    X: Cells, y: Array, w: Array, node: Cells, num: int, least: float, rng: np.random.Generator
) -> tuple[Array, Cells, Cells]:
    """Of each node, shape [M]: its mean, the axis that splits it (-1 for none), and the first cell to the right."""
    seen = np.flatnonzero(w)
    seen = seen[np.argsort(node[seen], kind="stable")]
    X, y, w, of = X[seen], y[seen], w[seen], node[seen]
    starts = np.searchsorted(of, np.arange(num))
    weight, total = np.add.reduceat(w, starts), np.add.reduceat(w * y, starts)
    mean = total / weight
    spread = np.add.reduceat(w * (y - mean[of]) ** 2, starts)
    first, last = np.minimum.reduceat(X, starts, axis=0), np.maximum.reduceat(X, starts, axis=0)
    cut = first + 1 + (rng.random(first.shape) * (last - first)).astype(np.intp)
    left = w[:, None] * (cut[of] > X)
    left_weight = np.add.reduceat(left, starts, axis=0)
    left_total = np.add.reduceat(left * (y - mean[of])[:, None], starts, axis=0)
    possible = last > first
    both = left_weight * (weight[:, None] - left_weight) / weight[:, None]
    gain = np.where(possible, left_total**2 / np.where(possible, both, 1.0), -1.0)
    axis = np.argmax(gain * (1 + _SAME * rng.random(gain.shape)), axis=1)  # any of those that are as good
    ends = (spread <= least * weight) | ~possible.any(axis=1)
    return mean, np.where(ends, -1, axis), cut[np.arange(num), axis]


def _halved(low: Cells, high: Cells, axis: Cells, cut: Cells) -> tuple[Cells, Cells]:
    """The boxes of both halves of each node, one after the other, shape [2 M, d]."""
    low, high = np.repeat(low, 2, axis=0), np.repeat(high, 2, axis=0)
    left = 2 * np.arange(len(axis))
    high[left, axis] = cut
    low[left + 1, axis] = cut
    return low, high
