"""Search with variants: several hyperparameters of one name, of which at most one is active."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.space.test_space_properties import spaces

from paceline.core import Configuration, InvalidInput, Objective, Trial, TrialState
from paceline.search import Bayes, History, Normal, Strategy, Weights, create, optuna
from paceline.search.bayes.belief import log_belief
from paceline.search.bayes.coordinates import coordinates
from paceline.space import Choice, Condition, Float, Space
from paceline.stats.table import Table
from paceline.stats.variance_analysis import VarianceAnalysis

LOSS = Objective("loss", "min")
RATES = Space(
    [
        Choice("optimizer", ["adam", "sgd"]),
        Float("rate", 1e-4, 1e-2, sampling="log", conditions=[Condition("optimizer", "adam")]),
        Float("rate", 1.0, 9.0, conditions=[Condition("optimizer", "sgd")]),
        Float("other", 0.0, 1.0),
    ]
)


def loss(config: Configuration) -> float:
    """Least at sgd, rate 4, other 0.5; the best of adam, at 1e-3, is 0.5 worse."""
    rate, other = float(config["rate"]), 0.2 * (float(config["other"]) - 0.5) ** 2
    if config["optimizer"] == "adam":
        return float(0.5 + 0.1 * (np.log10(rate) + 3) ** 2 + other)
    return float(((rate - 4) / 4) ** 2 + other)


@settings(deadline=None, max_examples=60)
@given(spaces(), st.integers(0, 2**32))
def test_settled_coordinates_agree_with_the_space(space: Space, seed: int) -> None:
    """The rows of the model: settled, they are those of the configuration that is decoded from
    them.
    """
    U = np.random.default_rng(seed).random((5, len(space)))
    places = coordinates(space)
    Z = places.settle(U.copy())
    for u, z in zip(U, Z, strict=True):
        encoded = space.encode(space.decode(u))
        np.testing.assert_array_equal(np.isnan(z), np.isnan(encoded))
        np.testing.assert_allclose(space.encode(places.config(z)), encoded, atol=1e-9)


@pytest.mark.parametrize("name", ["bayes", "cmaes", "tpe"])
def test_learning_strategies_find_the_best_variant(name: str) -> None:
    strategy: Strategy = optuna("TPESampler", seed=1) if name == "tpe" else create(name, 1)
    trials: list[Trial] = []
    seen: set[str] = set()
    for _ in range(12):
        strategy, answer = strategy.ask(RATES, History(seen, trials, LOSS), 4)
        for proposal in answer:
            assert dict(proposal.config) == RATES.complete(proposal.config)
            seen.add(proposal.key)
            score = loss(proposal.config)
            trials.append(
                Trial(len(trials), proposal.config, 0, 1, TrialState.COMPLETED, score=score)
            )
    best = min(trials, key=lambda trial: loss(trial.config))
    assert best.config["optimizer"] == "sgd"
    assert loss(best.config) < 0.05


def test_priors_apply_to_variants_that_can_take_the_value() -> None:
    Z = np.array([RATES.encode({"optimizer": "sgd", "rate": rate}) for rate in (2.0, 5.0)])
    near, far = log_belief((("rate", Normal(5.0)),), RATES, Z)[::-1]
    assert near > far
    adam = np.array([RATES.encode({"optimizer": "adam", "rate": rate}) for rate in (1e-4, 1e-2)])
    density = log_belief((("rate", Normal(5.0)),), RATES, adam)
    assert density[0] == pytest.approx(density[1])  # the prior is not about this variant
    Bayes(1, prior=(("rate", Normal(5.0)),)).check(RATES)
    with pytest.raises(InvalidInput, match=r"value of Float 'rate' is 0\.5"):
        Bayes(1, prior=(("rate", Normal(0.5)),)).check(RATES)
    with pytest.raises(InvalidInput, match="value of Float 'rate' is 'high'"):
        Bayes(1, prior=(("rate", Weights({"high": 1.0})),)).check(RATES)


def test_importance_names_each_variant() -> None:
    rng = np.random.default_rng(0)
    configs = [RATES.sample(rng) for _ in range(400)]
    found = VarianceAnalysis.of(Table.of(RATES, configs, [loss(config) for config in configs]))
    shares = {share.names[0]: share.share for share in found.shares()}
    assert set(shares) == {
        "optimizer",
        "rate (optimizer is adam)",
        "rate (optimizer is sgd)",
        "other",
    }
    assert shares["rate (optimizer is sgd)"] > 5 * shares["rate (optimizer is adam)"]
