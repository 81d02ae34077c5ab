"""What matters for being among the best: PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023, arXiv:2304.10255).

A hyperparameter matters as much as the density of its values among the best tenth of the trials differs from that
among all of them. With the weights of arXiv:2601.20800 for conditional ones, the Pearson divergence of the two is a
share of variance: of what tells the best trials from the others, so much is told by this hyperparameter's value alone.

`divergence` estimates it as published, with kernel densities on a grid of 50 cells, so that it can be compared with
Optuna's ``PedAnovaImportanceEvaluator``. That number depends on the kernels' width, and chance alone makes it larger
than 0. `shares` estimates the same quantity without kernels, as the squared coefficients of "is among the best" on
functions that are orthonormal over the trials, with chance taken off and an interval (see `squares`). Its bootstrap
samples of the trials have a best tenth each of their own.

| symbol | meaning |
| --- | --- |
| gamma | share of the trials that count as the best |
| p, q | density among the best, and among all, on the cells |
| alpha, beta | share of the best, and of all, in which the hyperparameter is active |
| D | Pearson divergence, sum of q (p / q - 1)^2 |
| phi_k | orthonormal functions of the cells under q |
| h | bandwidth, in cells |
"""

import math

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array, Axis, basis
from paceline.stats.importance import FUNCTIONS, SAMPLES, TRIALS_PER_FUNCTION, Share, check
from paceline.stats.squares import squared_length
from paceline.stats.table import Table

BEST = 0.1
_LEAST_BANDWIDTH = 0.5 / 1.64


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
    losses = table.losses if losers is None else np.where(losers, np.inf, table.losses)
    drawn = np.concatenate([np.ones((1, n)), table.bootstrap(SAMPLES)])
    best = drawn * _best(losses, drawn)
    found = []
    for place, axis in enumerate(table.axes):
        active = table.active[:, place]
        c = _coefficients(axis, table.cells[:, place], active, drawn, best)
        square = squared_length(c[0], c[1:] - c[0])
        low, share, high = (min(1.0, part) for part in (square.low, square.value, square.high))
        found.append(Share((axis.name,), share, low, high, int(active.sum())))
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


def divergence(table: Table, weights: npt.ArrayLike | None = None) -> dict[str, float]:
    """D as published, noise included, as the share (alpha^2 / beta) D gamma / (1 - gamma), by name.

    Args:
        table: the trials.
        weights: how many trials each one stands for, shape [n]; one if left out.
    """
    drawn = np.ones((1, len(table.losses))) if weights is None else np.asarray(weights, dtype=np.float64)[None]
    best = drawn * _best(table.losses, drawn)
    found = {}
    for place, axis in enumerate(table.axes):
        difference = _difference(axis, table.cells[:, place], table.active[:, place], drawn, best)[0]
        found[axis.name] = float(difference @ difference)
    return found


def _best(losses: Array, drawn: Array) -> npt.NDArray[np.bool_]:
    """Which trials are among the best tenth of each sample, those of equal loss with them, shape [num, n]."""
    order = np.argsort(losses, kind="stable")
    before = np.cumsum(drawn[:, order], axis=1) - drawn[:, order]
    tied = np.concatenate([[False], losses[order][1:] == losses[order][:-1]])
    first = np.maximum.accumulate(np.where(tied, 0, np.arange(len(losses))))  # of those of equal loss
    needed = np.ceil(BEST * drawn.sum(axis=1, keepdims=True) - 1e-9)
    best = np.zeros(drawn.shape, dtype=bool)
    best[:, order] = (before[:, first] < needed) & np.isfinite(losses[order])
    return best


def _difference(
    axis: Axis, cells: npt.NDArray[np.intp], active: npt.NDArray[np.bool_], drawn: Array, best: Array
) -> Array:
    """Of each sample, the vector whose squared length is the share, shape [num, points of the grid]."""
    where = np.eye(len(axis.lengths))[cells] * active[:, None]
    ordered = axis.ordered
    p, q = _density(best @ where, ordered), _density(drawn @ where, ordered)
    alpha = _part(best, active)
    beta, gamma = _part(drawn, active), best.sum(axis=1, keepdims=True) / drawn.sum(axis=1, keepdims=True)
    scale = alpha * np.sqrt(gamma / np.maximum(beta * (1 - gamma), 1e-12))
    difference: Array = scale * (p - q) / np.sqrt(q)
    return difference


def _part(drawn: Array, active: npt.NDArray[np.bool_]) -> Array:
    return np.asarray((drawn @ active)[:, None] / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-12))


def _density(counts: Array, ordered: bool) -> Array:
    """The density on the grid of each row of counts, the kernels of the first row for all; shape [num, points]."""
    total, points = counts.sum(axis=1, keepdims=True), counts.shape[1]
    if ordered:
        kernels, prior = _kernels(points, _bandwidth(counts[0])), _kernel((points - 1) / 2, float(points), points)
        smooth = counts @ kernels + prior
    else:
        # each trial votes for its own category and a little for all of them
        little = 1 / ((counts > 0).sum(axis=1, keepdims=True) + 1)
        smooth = (counts + total * little) / (1 + points * little) + 1 / points
    return np.asarray(smooth / (total + 1)) + 1e-12


def _bandwidth(counts: Array) -> float:
    """Scott's rule on the counts of grid points (Optuna's ``ScottParzenEstimator``)."""
    at = np.flatnonzero(counts)
    if len(at) == 0:
        return _LEAST_BANDWIDTH
    weights = counts[at]
    cumulated, total = np.cumsum(weights), weights.sum()
    mean = at @ weights / total
    spread = math.sqrt((at - mean) ** 2 @ weights / max(1.0, total - 1))
    first = np.searchsorted(cumulated, total // 4, side="left")
    third = min(len(at) - 1, int(np.searchsorted(cumulated, total * 3 // 4, side="right")))
    between = float(at[third] - at[first])
    return max(1.059 * min(between / 1.34, spread) * total**-0.2, _LEAST_BANDWIDTH)


def _kernels(points: int, h: float) -> Array:
    return np.array([_kernel(float(at), h, points) for at in range(points)])


def _kernel(at: float, h: float, points: int) -> Array:
    """A normal density around a point of the grid, as masses of its cells, cut off at its ends."""
    edges = [math.erf((edge - 0.5 - at) / (h * math.sqrt(2))) for edge in range(points + 1)]
    masses: Array = np.diff(edges) / (edges[-1] - edges[0])
    return masses
