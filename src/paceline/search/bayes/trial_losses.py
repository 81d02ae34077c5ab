"""One loss with its uncertainty for each configuration, from trials of different lengths.

Trials that were stopped early, paused or are still running say less than completed ones. All are
compared at one epoch E, the highest that enough trials reached. The loss of a trial that reached
only r < E is predicted by a regression of the warped loss at E on the warped loss at r, over the
trials that reached both; its residual variance is added to the noise. (Independent models for each
rung did best in Salinas et al., "Syne Tune" (2022), as "gp-independent"; this is the same with one
model and scalar relations.)

For trials that were trained several times, the variance of their scores is known noise; the model
infers only the rest, such as the noise of a split that all share. A variance of few trainings is
inaccurate, so each is shrunk towards the pooled one, which also holds for trials that were trained
once: Smyth, "Linear models and empirical Bayes methods" (2004).

| symbol | meaning |
| --- | --- |
| E, r | epoch at which trials are compared; last epoch of a trial |
| a, b | warped loss at r and at E of one trial |
| s | standard deviation of single trainings of one configuration |
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Configuration, Objective, Trial, TrialState
from paceline.search.bayes.coordinates import Array
from paceline.search.bayes.warp import Warp

_STRENGTH = 2.0  # weight of the prior slope 1 of the regression, in trials
_UNSURE = 0.25  # prior variance of b given a
_POOLED = 4.0  # degrees of freedom of the pooled s^2


@dataclass(frozen=True, slots=True)
class TrialLosses:
    """Observed losses and pending configurations.

    Attributes:
        configs: the observed configurations, without duplicates.
        y: their warped losses, centred and scaled, [n].
        v: known variance of each, beside the inferred noise, in the same units, [n].
        w: factor of the inferred noise in each: 1 / number of trials, [n].
        pending: configurations of running trials without a loss.
        num_finite: number of losses that are not of failed trials.
    """

    configs: tuple[Configuration, ...]
    y: Array
    v: Array
    w: Array
    pending: tuple[Configuration, ...]
    num_finite: int

    def __len__(self) -> int:
        return len(self.configs)

    def __getitem__(self, rows: Sequence[int]) -> "TrialLosses":
        at = np.asarray(rows)
        kept = tuple(self.configs[row] for row in rows)
        return TrialLosses(kept, self.y[at], self.v[at], self.w[at], self.pending, self.num_finite)


@dataclass(frozen=True, slots=True)
class _LossCurve:
    """Losses of a trial by epoch; no epochs if it failed.

    Attributes:
        losses, reach: see above.
        trainings: number of trainings whose mean its score is.
        spread: standard deviation of their scores; 0 if there was one.
    """

    losses: dict[int, float]
    reach: int
    trainings: int = 1
    spread: float = 0.0

    @classmethod
    def of(cls, trial: Trial, objective: Objective) -> "_LossCurve | None":
        """None if nothing is known yet."""
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
        if not math.isfinite(losses[last]):
            return cls({}, 0)
        error = trial.standard_error
        if error is None or not math.isfinite(error):
            return cls(losses, last)
        return cls(losses, last, len(trial.scores), error * math.sqrt(len(trial.scores)))

    def at(self, epoch: int) -> float:
        """The loss after an epoch, or at the last one before it; NaN if there is none."""
        found = self.losses.get(epoch)
        if found is None:
            found = self.losses[max((e for e in self.losses if e <= epoch), default=self.reach)]
        return found


@dataclass(frozen=True, slots=True)
class _TrialCurve:
    """The part of one trial that does not depend on others.

    Attributes:
        trial: the trial.
        curve: its losses; None if nothing is known yet.
        key: equal for equal configurations, types of values included.
    """

    trial: Trial
    curve: _LossCurve | None
    key: str

    @classmethod
    def of(cls, trial: Trial, objective: Objective) -> "_TrialCurve":
        return cls(trial, _LossCurve.of(trial, objective), repr(tuple(trial.config.items())))


class _CurveCache:
    """Cache of the last curves by identity of the trial: most are equal in the next call."""

    def __init__(self) -> None:
        self._last: tuple[Objective | None, dict[int, _TrialCurve]] = None, {}

    def curves_of(self, trials: Sequence[Trial], objective: Objective) -> list[_TrialCurve]:
        known = self._last[1] if self._last[0] == objective else {}
        numbers = list(map(id, trials))
        per_trial = [
            known.get(number) or _TrialCurve.of(trial, objective)
            for number, trial in zip(numbers, trials, strict=True)
        ]
        self._last = objective, dict(zip(numbers, per_trial, strict=True))
        return per_trial


_memory = _CurveCache()


def gather(trials: Sequence[Trial], objective: Objective | None, enough: int) -> TrialLosses:
    """The losses and pending configurations of trials.

    Args:
        trials: in order of their numbers.
        objective: how to read scores; None if they are not available.
        enough: number of trials that must have reached an epoch for a comparison there.
    """
    per_trial = _memory.curves_of(trials, objective) if objective is not None else []
    known = [found for found in per_trial if found.curve is not None]
    pending = tuple(
        found.trial.config
        for found in per_trial
        if found.curve is None and not found.trial.state.is_final
    )
    curves = [found.curve for found in known if found.curve is not None]
    finite = [curve for curve in curves if curve.losses]
    if not finite:
        none = np.empty(0)
        return TrialLosses((), none, none, none, pending, 0)
    here = np.array([bool(curve.losses) for curve in curves])
    y, v = np.empty(len(curves)), np.zeros(len(curves))
    y[here], v[here] = _compared(finite, enough)
    y[~here] = float(y[here].max() + 0.5 * np.ptp(y[here])) or 1.0
    return _averaged(known, y, v, pending, len(finite))


def _compared(curves: Sequence[_LossCurve], enough: int) -> tuple[Array, Array]:
    """Warped losses at one epoch, and the variances of predicted ones."""
    reach = np.array([curve.reach for curve in curves])
    enough = min(enough, math.ceil(len(curves) / 2))
    E = int(np.sort(reach)[-enough])
    y, v = np.empty(len(curves)), np.zeros(len(curves))
    there = np.flatnonzero(reach >= E).tolist()
    reached = [curves[i] for i in there]
    at_E = np.array([one.losses[E] if E in one.losses else one.at(E) for one in reached])
    warp = Warp.of(at_E[np.isfinite(at_E)])
    y[there] = warp(np.where(np.isfinite(at_E), at_E, np.inf))
    v[there] = _measured(warp, at_E, reached)
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
    """Predicts b from a for new trials; returns the prediction and the residual variance."""
    mean_a, mean_b, k = a.mean(), b.mean(), len(a)
    slope = max(
        0.0, ((a - mean_a) @ (b - mean_b) + _STRENGTH) / ((a - mean_a) @ (a - mean_a) + _STRENGTH)
    )
    rest = b - mean_b - slope * (a - mean_a)
    variance = (rest @ rest + _STRENGTH * _UNSURE) / (k + _STRENGTH)
    reach = b.max() - b.min() + 1.0
    return np.clip(
        mean_b + slope * (new - mean_a), b.min() - 0.5 * reach, b.max() + 0.5 * reach
    ), float(variance)


def _measured(warp: Warp, losses: Array, curves: Sequence[_LossCurve]) -> Array:
    """Variance of each loss measured by repeated trainings; 0 without them."""
    trainings = np.array([curve.trainings for curve in curves])
    freedom = trainings - 1
    if not freedom.any():
        return np.zeros(len(curves))
    s2 = warp.change(losses, np.array([curve.spread for curve in curves])) ** 2
    pooled = float(freedom @ s2 / freedom.sum())
    drawn: Array = (_POOLED * pooled + freedom * s2) / (_POOLED + freedom) / trainings
    return drawn


def _averaged(
    per_trial: Sequence[_TrialCurve],
    values: Array,
    variances: Array,
    pending: tuple[Configuration, ...],
    finite: int,
) -> TrialLosses:
    """Replicates as one observation with less noise; all centred and scaled."""
    groups: dict[str, int] = {}
    of = [groups.setdefault(found.key, len(groups)) for found in per_trial]
    first = np.unique(of, return_index=True)[1].tolist()
    w = 1 / np.bincount(of)
    y, v = np.bincount(of, values) * w, np.bincount(of, variances) * w**2
    scale = float(y.std()) or 1.0
    kept = tuple(per_trial[at].trial.config for at in first)
    return TrialLosses(kept, (y - y.mean()) / scale, v / scale**2, w, pending, finite)
