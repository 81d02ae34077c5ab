"""What the trials say: one number with its uncertainty for each configuration tried.

Trials that were stopped early, paused or are still running say less than those that were trained in full. All are
brought to one epoch count E, the highest that enough trials reached. A trial that reached only r < E counts as what the
trials that went on from r to E make of it: a regression of the warped loss at E on the warped loss at r, whose residual
variance comes on top of the noise. (Independent models for each rung, related by their common trials, did best in
Salinas et al., "Syne Tune" (2022), as "gp-independent"; this is the same with one model and scalar relations.)

| symbol | meaning |
| --- | --- |
| E, r | epoch at which trials are compared; last epoch of a trial |
| a, b | warped loss at r and at E of one trial |
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Configuration, Objective, Trial, TrialState
from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.warp import Warp

_STRENGTH = 2.0  # of the belief that a unit at r is a unit at E, in trials
_UNSURE = 0.25  # variance of b given a, as believed before any trial showed it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was observed and what is awaited.

    Attributes:
        configs: configurations with evidence, each once.
        y: their warped losses, centred and scaled, [n].
        v: variance of each beside the noise, in the same units, [n].
        w: share of the noise that is in each: 1 / number of trials, [n].
        pending: configurations under way of which nothing is known yet.
        num_finite: how many have a loss, not a failure.
    """

    configs: tuple[Configuration, ...]
    y: Array
    v: Array
    w: Array
    pending: tuple[Configuration, ...]
    num_finite: int

    def __len__(self) -> int:
        return len(self.configs)

    def __getitem__(self, rows: Sequence[int]) -> "Evidence":
        at = np.asarray(rows)
        kept = tuple(self.configs[row] for row in rows)
        return Evidence(kept, self.y[at], self.v[at], self.w[at], self.pending, self.num_finite)


@dataclass(frozen=True, slots=True)
class _Curve:
    """Losses of a trial by epoch, with its last one; no epochs where it failed."""

    losses: dict[int, float]
    reach: int

    @classmethod
    def of(cls, trial: Trial, objective: Objective) -> "_Curve | None":
        """None where nothing is known yet."""
        losses: dict[int, float] = {}
        for measurement in trial.measurements:
            score = measurement.metrics.get(objective.metric)
            if score is not None:
                losses[measurement.epoch] = objective.loss(score)
        if trial.state is TrialState.COMPLETED:
            last = max(trial.epochs, trial.measurements[-1].epoch if trial.measurements else 0)
            losses[last] = math.nan if trial.score is None else objective.loss(trial.score)
        if trial.state is TrialState.FAILED:
            losses = {0: math.nan}
        if not losses:
            return None
        last = max(losses)
        return cls(losses, last) if math.isfinite(losses[last]) else cls({}, 0)

    def at(self, epoch: int) -> float:
        """The loss after an epoch, or at the last measured one before it; NaN where there is none."""
        found = self.losses.get(epoch)
        if found is None:
            found = self.losses[max((e for e in self.losses if e <= epoch), default=self.reach)]
        return found


def gather(trials: Sequence[Trial], objective: Objective | None, enough: int) -> Evidence:
    """The evidence of the trials.

    Args:
        trials: in order of their numbers.
        objective: what the scores mean; None means that nothing can be learnt.
        enough: how many trials must have reached an epoch for all to be compared there.
    """
    curves: list[tuple[Configuration, _Curve]] = []
    pending: list[Configuration] = []
    for trial in trials:
        curve = _Curve.of(trial, objective) if objective is not None else None
        if curve is not None:
            curves.append((trial.config, curve))
        elif not trial.state.is_final:
            pending.append(trial.config)
    finite = [curve for _, curve in curves if curve.losses]
    if not finite:
        none = np.empty(0)
        return Evidence((), none, none, none, tuple(pending), 0)
    y, v = _compared(finite, enough)
    worst = float(y.max() + 0.5 * (y.max() - y.min())) or 1.0
    known = iter(zip(y.tolist(), v.tolist(), strict=True))
    pairs = [next(known) if curve.losses else (worst, 0.0) for _, curve in curves]
    return _averaged([config for config, _ in curves], pairs, tuple(pending), len(finite))


def _compared(curves: Sequence[_Curve], enough: int) -> tuple[Array, Array]:
    """Warped losses at one epoch, and the variances of those that had to be predicted."""
    reach = np.array([curve.reach for curve in curves])
    enough = min(enough, math.ceil(len(curves) / 2))
    E = int(np.sort(reach)[-enough])
    y, v = np.empty(len(curves)), np.zeros(len(curves))
    there = np.flatnonzero(reach >= E).tolist()
    at_E = np.array([curves[i].at(E) for i in there])
    warp = Warp.of(at_E[np.isfinite(at_E)])
    y[there] = warp(np.where(np.isfinite(at_E), at_E, np.inf))
    for r in np.unique(reach[reach < E]).tolist():
        group = np.flatnonzero(reach >= r).tolist()
        losses = np.array([curves[i].at(r) for i in group])
        a = Warp.of(losses[np.isfinite(losses)])(np.where(np.isfinite(losses), losses, np.inf))
        both = reach[group] >= E
        short = reach[group] == r
        predicted, variance = _related(a[both], y[group][both], a[short])
        rows = np.array(group)[short]
        y[rows], v[rows] = predicted, variance
    return y, v


def _related(a: Array, b: Array, new: Array) -> tuple[Array, float]:
    """b predicted from a for new trials, and the variance of what remains."""
    mean_a, mean_b, k = a.mean(), b.mean(), len(a)
    slope = max(0.0, ((a - mean_a) @ (b - mean_b) + _STRENGTH) / ((a - mean_a) @ (a - mean_a) + _STRENGTH))
    rest = b - mean_b - slope * (a - mean_a)
    variance = (rest @ rest + _STRENGTH * _UNSURE) / (k + _STRENGTH)
    reach = b.max() - b.min() + 1.0
    return np.clip(mean_b + slope * (new - mean_a), b.min() - 0.5 * reach, b.max() + 0.5 * reach), float(variance)


def _averaged(
    configs: Sequence[Configuration],
    pairs: Sequence[tuple[float, float]],
    pending: tuple[Configuration, ...],
    finite: int,
) -> Evidence:
    """Replicates as one observation with less noise; all centred and scaled."""
    together: dict[tuple[object, ...], list[int]] = {}
    for at, config in enumerate(configs):
        together.setdefault((*config, *config.values(), *map(type, config.values())), []).append(at)
    values, variances = (np.array([pair[part] for pair in pairs]) for part in (0, 1))
    groups = list(together.values())
    of = np.empty(len(configs), dtype=np.intp)
    for at, group in enumerate(groups):
        of[group] = at
    w = 1 / np.bincount(of)
    y, v = np.bincount(of, values) * w, np.bincount(of, variances) * w**2
    scale = float(y.std()) or 1.0
    kept = tuple(configs[group[0]] for group in groups)
    return Evidence(kept, (y - y.mean()) / scale, v / scale**2, w, pending, finite)
