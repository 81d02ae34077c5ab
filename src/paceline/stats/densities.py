"""PED-ANOVA as published: what tells the best trials from the others, by kernel densities (arXiv:2304.10255).

The numbers are those of Optuna's ``PedAnovaImportanceEvaluator`` over gamma (1 - gamma), which makes them shares:
exactly for hyperparameters of up to 50 values, and nearly for others, whose 50 cells are cut here a little otherwise.
They hold what chance adds; see `ped_anova` for shares without that.

| symbol | meaning |
| --- | --- |
| gamma | share of the trials that count as the best |
| p, q | density among the best, and among all, on the cells |
| alpha, beta | share of the best, and of all, in which the hyperparameter is active |
| D | Pearson divergence, sum of q (p / q - 1)^2 |
| h | bandwidth, in cells |
"""

import math

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array
from paceline.stats.ped_anova import are_best, without
from paceline.stats.table import Table

_LEAST_BANDWIDTH = 0.5 / 1.64
_LITTLE = 1e-12


def divergence(table: Table, losers: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """The share (alpha^2 / beta) D gamma / (1 - gamma) of each hyperparameter, by name.

    Args:
        table: at least one trial.
        losers: trials that are not among the best whatever their loss is, shape [n].
    """
    best = are_best(without(losers, table.losses), np.ones((1, len(table.losses))))[0]
    gamma = best.mean()
    found = {}
    for place, axis in enumerate(table.axes):
        active, cells, num = table.active[:, place], table.cells[:, place], len(axis.lengths)
        top, every = (np.bincount(cells[some], minlength=num).astype(float) for some in (best & active, active))
        found[axis.name] = 0.0
        if top.any() and gamma < 1:
            p, q = _density(top, axis.ordered), _density(every, axis.ordered)
            alpha, beta = top.sum() / best.sum(), active.mean()
            found[axis.name] = float(alpha**2 / beta * gamma / (1 - gamma) * (q @ (p / q - 1) ** 2))
    return found


def _density(counts: Array, ordered: bool) -> Array:
    """The density on the cells, of counts of trials, one of which is added as a prior; shape [G]."""
    total, num = counts.sum(), len(counts)
    if ordered:
        h = _bandwidth(counts)
        kernels = np.array([_kernel(float(at), h, num) for at in range(num)])
        smooth = counts @ kernels + _kernel((num - 1) / 2, float(num), num)
    else:  # each trial votes for its own category, and a little for all of them
        little = 1 / (np.count_nonzero(counts) + 1)
        smooth = (counts + total * little) / (1 + num * little) + 1 / num
    return np.asarray(smooth / (total + 1) + _LITTLE)


def _bandwidth(counts: Array) -> float:
    """h by Scott's rule, from counts on cells."""
    at = np.flatnonzero(counts)
    weights, total = counts[at], float(counts.sum())
    mean = float(at @ weights) / total
    spread = math.sqrt((at - mean) ** 2 @ weights / max(1.0, total - 1))
    cumulated = np.cumsum(weights)
    first = np.searchsorted(cumulated, total // 4, side="left")
    third = min(len(at) - 1, int(np.searchsorted(cumulated, total * 3 // 4, side="right")))
    narrower = min(float(at[third] - at[first]) / 1.34, spread)
    return max(1.059 * narrower * float(total**-0.2), _LEAST_BANDWIDTH)


def _kernel(at: float, h: float, num: int) -> Array:
    """A normal density around a cell, as the masses of all cells, cut off at the ends; shape [num]."""
    edges = [math.erf((edge - 0.5 - at) / (h * math.sqrt(2))) for edge in range(num + 1)]
    return np.asarray(np.diff(edges) / (edges[-1] - edges[0]))
