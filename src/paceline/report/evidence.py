"""The trials and losses from which importance is computed; see docs/design/0010-importance.md."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.core import Trial, TrialState
from paceline.stats.table import Table
from paceline.study import Record

if TYPE_CHECKING:
    from paceline.stats.variance_analysis import VarianceAnalysis

MOST_LOSSES = 300
"""Greatest number of losses: time grows with its cube, and more losses add little."""

_EVEN = ("sobol", "random", "grid")
_DIVERGED = "diverged"
_STEP, _NUM_STEPS = 3, 3  # losses of a trial are taken after E, E / 3, E / 9 and E / 27 epochs
# trials trained in full that are taken first, if there are more than can be taken
_LEAST_FULL = 40


@dataclass(frozen=True, eq=False)
class Evidence:
    """The data from which importance is computed.

    Attributes:
        table: their losses, at most `MOST_LOSSES` of them.
        num_known: number of trials that could be used; more than in the table if it is a sample.
        num_failed: trials that failed for another reason than a score that is not finite; they are
            not used.
    """

    table: Table
    num_known: int = 0
    num_failed: int = 0

    @property
    def remark(self) -> str:
        """Sentences that say which trials are missing; empty if none are."""
        count, sentences = self.table.num_trials, []
        if count < self.num_known:
            sentences.append(f"{count:,} of {self.num_known:,} trials were used.")
        if self.num_failed:
            trials = (
                "1 trial that failed is"
                if self.num_failed == 1
                else f"{self.num_failed:,} trials that failed are"
            )
            sentences.append(f"{trials} left out: this holds only where trials do not fail.")
        return " ".join(sentences)

    def variance(self) -> "VarianceAnalysis":
        """Analyses the variance of scores; see `paceline.stats.variance_analysis`.

        Raises:
            InvalidInput: there are too few scores.
        """
        from paceline.stats.variance_analysis import VarianceAnalysis

        return VarianceAnalysis.of(self.table)


def evidence(record: Record) -> Evidence:
    """The data of a study, running or not; the same for the same trials."""
    if record.created is None:
        return Evidence(Table.of(record.space, [], []))
    outside = {number for number, config in record.moved.items() if config is None}
    inside = {number: trial for number, trial in record.trials.items() if number not in outside}
    counted = [number for number, trial in inside.items() if _counts(trial, record)]
    num_failed = sum(
        trial.state is TrialState.FAILED and not _has_diverged(trial, record)
        for trial in inside.values()
    )
    chosen = _chosen(record, counted)
    full = max((trial.epochs for trial in chosen), default=1)
    rows = [
        (trial, epoch, loss) for trial in chosen for epoch, loss in _losses(trial, record, full)
    ]
    table = Table.of(
        record.space,
        [trial.config for trial, _, _ in rows],
        [loss for _, _, loss in rows],
        trials=[trial.number for trial, _, _ in rows],
        epochs=[epoch for _, epoch, _ in rows],
        even=[trial.origin in _EVEN for trial, _, _ in rows],
    )
    return Evidence(
        table, len(counted) if len(chosen) < len(counted) else table.num_trials, num_failed
    )


def _has_diverged(trial: Trial, record: Record) -> bool:
    """Whether a trial failed because its score was not finite: it counts as the worst."""
    return (trial.error or "").startswith((_DIVERGED, f"its {record.objective.metric} is "))


def _counts(trial: Trial, record: Record) -> bool:
    if trial.state is TrialState.FAILED:
        return _has_diverged(trial, record)
    return trial.state.is_final and trial.score is not None and math.isfinite(trial.score)


def _chosen(record: Record, counted: Sequence[int]) -> list[Trial]:
    """Trials with at most `MOST_LOSSES` losses, spread over the study; first those in full."""
    trials = [record.trials[number] for number in counted]
    stopped = [trial for trial in trials if trial.state is TrialState.STOPPED]
    if not stopped:
        return list(_observed(record, _spread(trials, MOST_LOSSES)))
    in_full = [trial for trial in trials if trial.state is not TrialState.STOPPED]
    stopped = list(_observed(record, _spread(stopped, MOST_LOSSES)))
    of_stopped = [sum(1 for _ in _epochs(trial)) for trial in stopped]
    of_full = _NUM_STEPS + 1
    in_full = _spread(in_full, max(_LEAST_FULL, (MOST_LOSSES - sum(of_stopped)) // of_full))
    left = MOST_LOSSES - of_full * len(in_full)
    stopped = _spread(stopped, int(left * len(of_stopped) / max(1, sum(of_stopped))))
    return sorted([*_observed(record, in_full), *stopped], key=lambda trial: trial.number)


def _observed(record: Record, trials: Iterable[Trial]) -> Iterator[Trial]:
    """The same trials with their measurements, and configurations in the current space."""
    for trial in trials:
        known = record.observation(trial.number)
        if known is not None:
            yield known


def _spread(trials: Sequence[Trial], most: int) -> list[Trial]:
    """At most so many of them, equally spaced; at least half of them uniformly drawn."""
    if len(trials) <= most:
        return list(trials)
    even = [trial for trial in trials if trial.origin in _EVEN]
    others = [trial for trial in trials if trial.origin not in _EVEN]
    num_even = min(
        len(even), max(most // 2, most - len(others), round(most * len(even) / len(trials)))
    )
    parts = ((even, num_even), (others, most - num_even))
    return [part[place * len(part) // count] for part, count in parts for place in range(count)]


def _epochs(trial: Trial) -> Iterator[int]:
    """The epochs after which losses of a trial are taken: some steps, and its last epoch."""
    last = trial.measurements[-1].epoch if trial.measurements else trial.epochs
    steps = {max(1, round(trial.epochs / _STEP**step)) for step in range(1, _NUM_STEPS + 1)}
    yield from sorted({*(step for step in steps if step < last), last})


def _losses(trial: Trial, record: Record, full: int) -> Iterator[tuple[float, float]]:
    """Epochs of a trial, scaled to a common full length, with their losses.

    A trial that was not stopped counts as trained in full, whether or not it took all epochs.
    """
    loss, metric = record.objective.loss, record.objective.metric
    if trial.state is TrialState.FAILED or trial.score is None:
        yield float(full), math.inf
        return
    keeps_best = record.settings.training.keep == "best"
    stopped = record.num_ended(TrialState.STOPPED) > 0
    so_far, values = math.inf, dict[int, float]()
    for measured in trial.measurements if stopped else ():
        here = loss(measured.metrics.get(metric, math.nan))
        so_far = min(so_far, here) if math.isfinite(here) else so_far
        values[measured.epoch] = so_far if keeps_best else here
    *earlier, last = _epochs(trial)
    for epoch in earlier:
        if math.isfinite(values.get(epoch, math.nan)):
            yield max(1.0, epoch * full / trial.epochs), values[epoch]
    at_end = trial.state is not TrialState.STOPPED
    yield float(full) if at_end else max(1.0, last * full / trial.epochs), loss(trial.score)
