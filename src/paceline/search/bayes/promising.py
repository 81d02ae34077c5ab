"""Which trials deserve to be trained again: those that a model expects to be best, not those that
were luckiest.

The best score of many is the best partly by luck: of 100 equal trials it lies 2.5 standard
deviations of the noise off. The posterior mean of a Gaussian process of all trials, whatever search
they come from, weighs each score against those of its neighbours.

The trial with the best score is always among them, whatever the model expects of it: where scores
have no noise it is the best one, and where they have, the final shows what it is worth.
"""

import math
from collections.abc import Sequence

import numpy as np

from paceline.core import Objective, Trial, TrialState
from paceline.search.bayes import surrogate
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.evidence import gather
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.subset import spread_out
from paceline.search.bayes.surrogate import JUDGED, MOST, MOST_FITTED, Observations, Surrogate
from paceline.search.bayes.threads import one_thread
from paceline.space import Space


def promising(
    space: Space, trials: Sequence[Trial], objective: Objective, count: int
) -> tuple[list[int], str]:
    """The completed trials of which most is to be expected.

    They are ranked by score where a model cannot help: below 20 trials, or where it predicts each
    from the others no better than a constant does. The one with the best score is always among
    them; where the model expects less of it than of the others, it takes the last place. The same
    trials always give the same answer.

    Args:
        space: of the study.
        trials: all of its trials; those that failed or were stopped early inform the model too.
        objective: what the scores mean.
        count: how many are wanted.

    Returns:
        Numbers of at most ``count`` trials of different configurations, the most promising first;
        and in a sentence how they were chosen.
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
    """Posterior mean of each completed trial, None where there is no model to trust; and what is to
    be said of it.
    """
    by_score = "the trials with the best scores"
    places = coordinates(space)
    kernel = Kernel(places)
    evidence = gather(trials, objective, max(10, kernel.num_lengths + 2))
    if len(completed) < JUDGED or len(evidence) < JUDGED or not kernel.num_lengths:
        return (
            None,
            f"{by_score} (there are too few trials, {len(completed)}, to predict scores from "
            f"configurations)",
        )
    Z = places.rows(evidence.configs)
    rows = spread_out(Z, evidence.y, MOST)
    Z = Z[rows]
    seen = Observations(kernel.features(Z), evidence.y[rows], evidence.v[rows], evidence.w[rows])
    theta = surrogate.fit(
        kernel, seen[spread_out(Z, seen.y, MOST_FITTED)], [surrogate.start(kernel)]
    )
    model = Surrogate.of(kernel, seen, theta)
    if not model.predicts():
        return (
            None,
            f"{by_score} (a model of all trials cannot tell good configurations from bad ones)",
        )
    means, _ = model.at(kernel.features(places.rows(trial.config for trial in completed)))
    return (
        means,
        "the trials of which a model of all trials expects most, which need not be those with the "
        "best scores",
    )
