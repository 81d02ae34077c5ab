"""Selection of trials for retraining: by a model's expectation, not by the best score.

The best of many scores is biased by noise: of 100 equal trials it is 2.5 standard deviations of the
noise too good. The posterior mean of a Gaussian process of all trials, from any search, combines
each score with those of its neighbours.

The trial with the best score is always selected: without noise it is the best one, and otherwise
the final evaluates it.
"""

import math
from collections.abc import Sequence

import numpy as np

from paceline.core import Objective, Trial, TrialState
from paceline.search.bayes import gaussian_process
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.gaussian_process import (
    JUDGED,
    MOST,
    MOST_FITTED,
    GaussianProcess,
    Observations,
)
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.subset import spread_out
from paceline.search.bayes.threads import one_thread
from paceline.search.bayes.trial_losses import gather
from paceline.space import Space


def promising(
    space: Space, trials: Sequence[Trial], objective: Objective, count: int
) -> tuple[list[int], str]:
    """The completed trials with the best expected scores.

    They are ranked by score if a model is of no use: below 20 trials, or if it predicts each score
    from the others no better than a constant. The trial with the best score is always among them,
    in the last place if the model ranks it lower. Equal trials give equal results.

    Args:
        space: of the study.
        trials: all of its trials; failed and stopped ones inform the model too.
        objective: how to read the scores.
        count: maximum number of trials.

    Returns:
        Numbers of at most ``count`` trials with different configurations, the most promising first;
        and a sentence that says how they were chosen.
    """
    scored = [
        (t, objective.loss(t.score))
        for t in trials
        if t.state is TrialState.COMPLETED and t.score is not None
    ]
    completed = [trial for trial, loss in scored if math.isfinite(loss)]
    losses = np.array([loss for _, loss in scored if math.isfinite(loss)])
    with one_thread():
        means, remark = _expected(space, trials, objective, completed)
    numbers: dict[str, int] = {}
    for at in np.lexsort((losses, losses if means is None else means)).tolist():
        numbers.setdefault(space.key(completed[at].config), completed[at].number)
    chosen = list(numbers.values())[:count]
    if (
        chosen
        and (best := numbers[space.key(completed[int(np.argmin(losses))].config)]) not in chosen
    ):
        chosen[-1] = best
        remark += f", and trial {best}, which has the best score"
    return chosen, remark


def _expected(
    space: Space, trials: Sequence[Trial], objective: Objective, completed: Sequence[Trial]
) -> tuple[Array | None, str]:
    """Posterior mean of each completed trial, None without a usable model; and a remark."""
    by_score = "the trials with the best scores"
    places = coordinates(space)
    kernel = Kernel(places)
    observed = gather(trials, objective, max(10, kernel.num_lengths + 2))
    if len(completed) < JUDGED or len(observed) < JUDGED or not kernel.num_lengths:
        return (
            None,
            f"{by_score} (there are too few trials, {len(completed)}, to predict scores from "
            f"configurations)",
        )
    Z = places.rows(observed.configs)
    rows = spread_out(Z, observed.y, MOST)
    Z = Z[rows]
    seen = Observations(kernel.features(Z), observed.y[rows], observed.v[rows], observed.w[rows])
    theta = gaussian_process.fit(
        kernel, seen[spread_out(Z, seen.y, MOST_FITTED)], [gaussian_process.start(kernel)]
    )
    model = GaussianProcess.of(kernel, seen, theta)
    if not model.predicts():
        return (
            None,
            f"{by_score} (a model of all trials cannot predict scores)",
        )
    means, _ = model.at(kernel.features(places.rows(trial.config for trial in completed)))
    return (
        means,
        "the trials with the best expected scores under a model of all trials, which need not be "
        "those with the best scores",
    )
