"""Selection of trials for the final."""

from dataclasses import replace

import numpy as np
import pytest

from paceline.core import Configuration, Measurement, Objective, Trial, TrialState
from paceline.search import promising
from paceline.space import Choice, Condition, Float, Space

LOSS = Objective("loss", "minimize")
SPACE = Space(
    [
        Float("x", 0, 1),
        Choice("kind", ["a", "b", "c"]),
        Float("y", 0, 1, conditions=[Condition("kind", ("a", "b"))]),
    ]
)


def loss(config: Configuration) -> float:
    """0 at x = 0.3, kind b, y = 0.6."""
    away = (float(config["x"]) - 0.3) ** 2 + 0.2 * (config["kind"] != "b")
    return away + (float(config["y"]) - 0.6) ** 2 if "y" in config else away + 0.2


def study(seed: int, num_trials: int, noise: float) -> list[Trial]:
    rng = np.random.default_rng(seed)
    configs = [SPACE.sample(rng) for _ in range(num_trials)]
    scores = [loss(config) + noise * float(rng.standard_normal()) for config in configs]
    return [
        Trial(n, config, n, 1, TrialState.COMPLETED, score=score)
        for n, (config, score) in enumerate(zip(configs, scores, strict=True))
    ]


def by_score(trials: list[Trial], count: int) -> list[int]:
    return sorted(range(len(trials)), key=lambda n: trials[n].score or 0.0)[:count]


def test_trials_chosen_by_the_model_beat_those_with_the_best_scores() -> None:
    # Over 200 other studies it gained 0.049 in the mean, with a standard deviation of 0.033 and
    # less than 0 in 4 % of
    # them: the mean of 8 is below 0 with a chance of about 1e-5.
    gains = []
    for seed in range(8):
        trials = study(seed, 60, 0.15)
        numbers, remark = promising(SPACE, trials, LOSS, 7)
        assert len(set(numbers)) == 7
        assert remark
        true = [loss(trial.config) for trial in trials]
        gains.append(
            np.mean([true[n] for n in by_score(trials, 7)]) - np.mean([true[n] for n in numbers])
        )
    assert np.mean(gains) > 0


def test_without_noise_the_best_is_chosen_reproducibly() -> None:
    trials = study(3, 60, 0.0)
    numbers, remark = promising(SPACE, trials, LOSS, 5)
    assert by_score(trials, 1)[0] in numbers
    assert "model" in remark
    copies = [replace(trial, config=dict(trial.config)) for trial in trials]
    assert promising(SPACE, copies, LOSS, 5) == (numbers, remark)
    turned = [replace(trial, score=-(trial.score or 0.0)) for trial in trials]
    assert promising(SPACE, turned, Objective("loss", "maximize"), 5)[0] == numbers


def test_the_best_score_is_always_chosen() -> None:
    trials = study(5, 60, 0.02)
    worst = by_score(trials, 60)[-1]
    trials[worst] = replace(trials[worst], score=-0.5)
    for count in (1, 3, 7):
        numbers, remark = promising(SPACE, trials, LOSS, count)
        assert numbers[-1] == worst
        assert len(set(numbers)) == count
        assert f"trial {worst}, which has the best score" in remark


def test_few_trials_are_ranked_by_score() -> None:
    trials = study(0, 12, 0.1)
    numbers, remark = promising(SPACE, trials, LOSS, 4)
    assert numbers == by_score(trials, 4)
    assert "there are too few trials, 12, to predict" in remark
    assert len(promising(SPACE, trials, LOSS, 100)[0]) == 12
    assert promising(SPACE, [], LOSS, 4)[0] == []


def test_unpredictable_scores_are_ranked_by_score() -> None:
    rng = np.random.default_rng(2)
    trials = [replace(trial, score=float(rng.standard_normal())) for trial in study(0, 40, 0.0)]
    numbers, remark = promising(SPACE, trials, LOSS, 6)
    assert numbers == by_score(trials, 6)
    assert "cannot predict scores" in remark


@pytest.mark.parametrize("num_trials", [14, 60])
def test_only_completed_trials_and_each_configuration_once(num_trials: int) -> None:
    trials = study(1, num_trials, 0.01)
    best, second = by_score(trials, 2)
    measured = (Measurement(1, {"loss": -9.0}, 0.0),)
    trials[best] = replace(
        trials[best], state=TrialState.STOPPED, epochs=9, measurements=measured, score=None
    )
    config = trials[second].config
    trials += [
        Trial(
            num_trials,
            config,
            0,
            1,
            TrialState.COMPLETED,
            score=(trials[second].score or 0.0) + 1e-3,
        ),
        Trial(num_trials + 1, {**config, "x": 0.31}, 0, 1, TrialState.FAILED),
        Trial(
            num_trials + 2, {**config, "x": 0.32}, 0, 1, TrialState.COMPLETED, score=float("nan")
        ),
        Trial(num_trials + 3, {**config, "x": 0.33}, 0, 1, TrialState.RUNNING),
    ]
    numbers = promising(SPACE, trials, LOSS, num_trials)[0]
    assert len(numbers) == num_trials - 1
    assert not {best, num_trials, num_trials + 1, num_trials + 2, num_trials + 3} & set(numbers)
