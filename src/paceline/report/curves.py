"""Numbers behind the curves of the search: the best score so far, and that of random search."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Trial, TrialState
from paceline.stats.axes import Array
from paceline.stats.best_so_far import best_so_far, expected_best
from paceline.study import Record

_BY_CHANCE = ("sobol", "random")


@dataclass(frozen=True, eq=False)
class Progress:
    """Cost and best score after each trial that has ended, in that order; all of shape [n].

    Attributes:
        trials: the trials.
        epochs: cumulative; a trial that is the beginning of a longer one adds none.
        seconds: since the study began, without the time between sessions.
        scores: of each trial; NaN if it did not complete.
        best: the best score so far; NaN before the first.
    """

    trials: tuple[Trial, ...]
    epochs: Array
    seconds: Array
    scores: Array
    best: Array


def progress(record: Record, ended: Mapping[int, float]) -> Progress:
    """Cost and best score of a study; ``ended`` has the second in which each trial ended."""
    order = sorted(ended, key=lambda number: (ended[number], number))
    trials = tuple(record.trial(number) for number in order)
    trained = [0 if trial.prefix_of is not None else len(trial.measurements) for trial in trials]
    scores = np.array(
        [_score(t) if t.state is TrialState.COMPLETED else math.nan for t in trials],
        dtype=np.float64,
    )
    sign = record.objective.loss(1.0) if trials else 1.0
    return Progress(
        trials,
        np.cumsum(trained, dtype=np.float64),
        np.array([ended[number] for number in order], dtype=np.float64),
        scores,
        sign * best_so_far(sign * scores),
    )


def by_chance(record: Record, most: int | None = None) -> tuple[Sequence[int], Array]:
    """Expected best score of n of the N trials that were drawn at random or by Sobol search.

    Trials that were stopped early count with their score at that time.

    Args:
        record: of the study.
        most: about how many values of n; None for all of 1..N.

    Returns:
        The values of n, and their expected scores; both empty if no trial was drawn in this way.
    """
    members = (trial for number, trial in record.trials.items() if number not in record.moved)
    drawn = [t for t in members if t.origin in _BY_CHANCE and t.state.is_final]
    scores = np.array([s for s in map(_score, drawn) if math.isfinite(s)])
    if not len(scores):
        return (), np.zeros(0)
    every = 1 if most is None else max(1, len(scores) // most)
    counts = [*range(1, len(scores), every), len(scores)]
    sign = record.objective.loss(1.0)
    return counts, np.asarray(sign * expected_best(sign * scores, counts))


def _score(trial: Trial) -> float:
    return math.nan if trial.score is None else trial.score
