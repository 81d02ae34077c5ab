"""What the trials say: one number with its uncertainty for each configuration tried.

Trials that were stopped early, paused or are still running say less than those that were trained in
full. All are brought to one epoch count E, the highest that enough trials reached. A trial that
reached only r < E counts as what the trials that went on from r to E make of it: a regression of
the warped loss at E on the warped loss at r, whose residual variance comes on top of the noise.
(Independent models for each rung, related by their common trials, did best in Salinas et al., "Syne
Tune" (2022), as "gp-independent"; this is the same with one model and scalar relations.)

Where trials were trained several times, how their scores differ is known noise: what the model
infers is only the rest, such as the noise of a split that all share. Few trainings measure a
variance badly, so each is drawn towards the pooled one, which also holds for trials that were
trained once: Smyth, "Linear models and empirical Bayes methods" (2004).

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

_STRENGTH = 2.0  # of the belief that a unit at r is a unit at E, in trials
_UNSURE = 0.25  # variance of b given a, as believed before any trial showed it
_POOLED = 4.0  # degrees of freedom that the pooled s^2 counts for


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
    """Losses of a trial by epoch, with its last one; no epochs where it failed.

    Attributes:
        losses, reach: see above.
        trainings: how many its score is the mean of.
        spread: standard deviation of their scores; 0 where there was one.
    """

    losses: dict[int, float]
    reach: int
    trainings: int = 1
    spread: float = 0.0

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
        if not math.isfinite(losses[last]):
            return cls({}, 0)
        error = trial.standard_error
        if error is None or not math.isfinite(error):
            return cls(losses, last)
        return cls(losses, last, len(trial.scores), error * math.sqrt(len(trial.scores)))

    def at(self, epoch: int) -> float:
        """The loss after an epoch, or at the last measured one before it; NaN where there is
        none.
        """
        found = self.losses.get(epoch)
        if found is None:
            found = self.losses[max((e for e in self.losses if e <= epoch), default=self.reach)]
        return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of one trial, whatever the others are.

    Attributes:
        trial: of which.
        curve: its losses; None where nothing is known yet.
        key: equal for equal configurations, types of values included.
    """

    trial: Trial
    curve: _Curve | None
    key: str

    @classmethod
    def of(cls, trial: Trial, objective: Objective) -> "_Reading":
        return cls(trial, _Curve.of(trial, objective), repr(tuple(trial.config.items())))


class _Memory:
    """The last readings, by identity of the trial, which each keeps alive: most are the same at the
    next ask.
    """

    def __init__(self) -> None:
        self._last: tuple[Objective | None, dict[int, _Reading]] = None, {}

    def readings(self, trials: Sequence[Trial], objective: Objective) -> list[_Reading]:
        known = self._last[1] if self._last[0] == objective else {}
        readings = [known.get(id(trial)) or _Reading.of(trial, objective) for trial in trials]
        self._last = objective, {id(reading.trial): reading for reading in readings}
        return readings


_memory = _Memory()


def gather(trials: Sequence[Trial], objective: Objective | None, enough: int) -> Evidence:
    """The evidence of the trials.

    Args:
        trials: in order of their numbers.
        objective: what the scores mean; None means that nothing can be learnt.
        enough: how many trials must have reached an epoch for all to be compared there.
    """
    readings = _memory.readings(trials, objective) if objective is not None else []
    known = [reading for reading in readings if reading.curve is not None]
    pending = tuple(
        reading.trial.config
        for reading in readings
        if reading.curve is None and not reading.trial.state.is_final
    )
    curves = [reading.curve for reading in known if reading.curve is not None]
    finite = [curve for curve in curves if curve.losses]
    if not finite:
        none = np.empty(0)
        return Evidence((), none, none, none, pending, 0)
    here = np.array([bool(curve.losses) for curve in curves])
    y, v = np.empty(len(curves)), np.zeros(len(curves))
    y[here], v[here] = _compared(finite, enough)
    y[~here] = float(y[here].max() + 0.5 * np.ptp(y[here])) or 1.0
    return _averaged(known, y, v, pending, len(finite))


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
    v[there] = _measured(warp, at_E, [curves[i] for i in there])
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
    slope = max(
        0.0, ((a - mean_a) @ (b - mean_b) + _STRENGTH) / ((a - mean_a) @ (a - mean_a) + _STRENGTH)
    )
    rest = b - mean_b - slope * (a - mean_a)
    variance = (rest @ rest + _STRENGTH * _UNSURE) / (k + _STRENGTH)
    reach = b.max() - b.min() + 1.0
    return np.clip(
        mean_b + slope * (new - mean_a), b.min() - 0.5 * reach, b.max() + 0.5 * reach
    ), float(variance)


def _measured(warp: Warp, losses: Array, curves: Sequence[_Curve]) -> Array:
    """Variance of each loss as repeated trainings measured it; 0 where there were none."""
    trainings = np.array([curve.trainings for curve in curves])
    freedom = trainings - 1
    if not freedom.any():
        return np.zeros(len(curves))
    s2 = warp.change(losses, np.array([curve.spread for curve in curves])) ** 2
    pooled = float(freedom @ s2 / freedom.sum())
    drawn: Array = (_POOLED * pooled + freedom * s2) / (_POOLED + freedom) / trainings
    return drawn


def _averaged(
    readings: Sequence[_Reading],
    values: Array,
    variances: Array,
    pending: tuple[Configuration, ...],
    finite: int,
) -> Evidence:
    """Replicates as one observation with less noise; all centred and scaled."""
    groups: dict[str, int] = {}
    of = [groups.setdefault(reading.key, len(groups)) for reading in readings]
    first = np.unique(of, return_index=True)[1].tolist()
    w = 1 / np.bincount(of)
    y, v = np.bincount(of, values) * w, np.bincount(of, variances) * w**2
    scale = float(y.std()) or 1.0
    kept = tuple(readings[at].trial.config for at in first)
    return Evidence(kept, (y - y.mean()) / scale, v / scale**2, w, pending, finite)
