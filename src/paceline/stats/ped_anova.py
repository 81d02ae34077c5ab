"""What matters for being among the best: PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023, arXiv:2304.10255).

A hyperparameter matters as much as the density of its values among the best tenth of the trials differs from that
among all of them. With the weights of arXiv:2601.20800 for conditional ones, the Pearson divergence of the two is a
share of variance: of what tells the best trials from the others, so much is told by this hyperparameter's value alone.

The published estimator, kernel densities, is `densities.divergence`. Its number depends on the kernels' width, and
chance alone makes it larger than 0. Here the same quantity is the squared length of the coefficients of "is among the
best" on functions that are orthonormal over the trials, with chance taken off and an interval (see `squares`). The
bootstrap samples of the trials have a best tenth each of their own.

| symbol | meaning |
| --- | --- |
| gamma | share of the trials that count as the best |
| z | 1 for a trial among the best, else 0 |
| beta | share of the trials in which the hyperparameter is active |
| phi_k | functions of the cells, orthonormal over the trials in which it is active |
| c_k | sqrt(beta) cov(phi_k, z) / sqrt(gamma (1 - gamma)), over those trials; the share is sum of c_k^2 |
"""

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array, Axis, basis
from paceline.stats.importance import FUNCTIONS, SAMPLES, TRIALS_PER_FUNCTION, WIDER, Share, check
from paceline.stats.squares import squared_length
from paceline.stats.table import Table

BEST = 0.1


def shares(table: Table, losers: npt.NDArray[np.bool_] | None = None) -> list[Share]:
    """What each hyperparameter does for being among the best tenth, in the order of the space.

    Args:
        table: the trials.
        losers: trials that are not among the best whatever their loss is, since they were stopped early, shape [n].

    Raises:
        InvalidInput: fewer than 10 trials, nothing that varies, or losses that are all equal.
    """
    check(table)
    n = len(table.losses)
    losses = without(losers, table.losses)
    drawn = np.concatenate([np.ones((1, n)), table.bootstrap(SAMPLES)])
    best = drawn * are_best(losses, drawn)
    found = []
    for place, axis in enumerate(table.axes):
        active = table.active[:, place]
        c = _coefficients(axis, table.cells[:, place], active, drawn, best)
        square = squared_length(c[0], WIDER * (c[1:] - c[0]))
        found.append(Share.of((axis.name,), square, 1.0, int(active.sum())))
    return found


def _coefficients(
    axis: Axis, cells: npt.NDArray[np.intp], active: npt.NDArray[np.bool_], drawn: Array, best: Array
) -> Array:
    """Of each sample, the vector whose squared length is the share, shape [num, K]."""
    if not active.any():
        return np.zeros((len(drawn), 1))
    measure = np.bincount(cells[active], minlength=len(axis.lengths)) / active.sum()
    room = max(1, int(active.sum()) // TRIALS_PER_FUNCTION)
    phi = basis(measure, min(room, FUNCTIONS if axis.ordered else len(measure)))[cells] * active[:, None]
    total, part = drawn.sum(axis=1, keepdims=True), np.maximum(drawn @ active, 1e-12)[:, None]
    gamma, own = best.sum(axis=1, keepdims=True) / total, (best @ active)[:, None] / part
    c: Array = (best @ phi - own * (drawn @ phi)) / np.sqrt(total * part * np.maximum(gamma * (1 - gamma), 1e-12))
    return c


def without(losers: npt.NDArray[np.bool_] | None, losses: Array) -> Array:
    """The losses with those of losers infinite."""
    return losses if losers is None else np.where(losers, np.inf, losses)


def are_best(losses: Array, drawn: Array) -> npt.NDArray[np.bool_]:
    """Which trials are among the best tenth of each sample, those of equal loss with them, shape [num, n]."""
    order = np.argsort(losses, kind="stable")
    before = np.cumsum(drawn[:, order], axis=1) - drawn[:, order]
    tied = np.concatenate([[False], losses[order][1:] == losses[order][:-1]])
    first = np.maximum.accumulate(np.where(tied, 0, np.arange(len(losses))))  # of those of equal loss
    needed = np.ceil(BEST * drawn.sum(axis=1, keepdims=True) - 1e-9)
    best = np.zeros(drawn.shape, dtype=bool)
    best[:, order] = (before[:, first] < needed) & np.isfinite(losses[order])
    return best
