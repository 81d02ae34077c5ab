"""The oracles: what they try next, in which order, and how they go on from their files."""

import math
from pathlib import Path
from typing import Any

import pytest

import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner.engine.metrics_tracking import infer_metric_direction
from paceline.core import InvalidInput


def space(**kinds: Any) -> kt.HyperParameters:
    hp = kt.HyperParameters()
    for name, (kind, *given) in kinds.items():
        getattr(hp, kind)(name, *given)
    return hp


def run(oracle: kt.Oracle, score: Any, count: int | None = None) -> list[dict[str, Any]]:
    """The values of all trials, which end at once with a score."""
    tried: list[dict[str, Any]] = []
    while count is None or len(tried) < count:
        trial = oracle.create_trial("a")
        if trial.status == "STOPPED":
            break
        oracle.update_trial(trial.trial_id, {oracle.objective.name: score(trial)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        tried.append(trial.hyperparameters.values)
    return tried


def nothing(_: Any) -> float:
    return 1.0


def oracle_of(kind: type[kt.Oracle], folder: Path, hp: Any, **given: Any) -> kt.Oracle:
    made = kind(kt.Objective("score", "min"), hyperparameters=hp, **given)
    made.verbose = 0
    made._set_project_dir(folder, "p")
    return made


def test_a_grid_has_every_configuration_once_its_default_first(tmp_path: Path) -> None:
    hp = space(a=("Choice", [1, 2, 3]), b=("Boolean",))
    with hp.conditional_scope("a", [3]):
        hp.Choice("c", ["x", "y"], default="y")
    tried = run(oracle_of(kt.oracles.GridSearchOracle, tmp_path, hp), nothing)
    assert tried[0] == {"a": 1, "b": False}
    assert len(tried) == 2 * 2 + 4
    assert len({tuple(one.items()) for one in tried}) == len(tried)
    assert [one["c"] for one in tried if one["a"] == 3] == ["y", "x", "y", "x"]


@pytest.mark.parametrize("name", ["RandomSearch", "GridSearch", "BayesianOptimization"])
def test_a_small_space_ends(tmp_path: Path, name: str) -> None:
    hp = space(a=("Choice", [1, 2, 3]), b=("Fixed", 7))
    oracle = oracle_of(getattr(kt.oracles, name), tmp_path, hp, max_trials=20, seed=2)
    assert sorted(one["a"] for one in run(oracle, nothing)) == [1, 2, 3]


@pytest.mark.parametrize(
    "name", ["RandomSearch", "GridSearch", "BayesianOptimization", "Hyperband"]
)
def test_an_oracle_goes_on_from_its_files(tmp_path: Path, name: str) -> None:
    def fresh(folder: Path) -> kt.Oracle:
        hp = space(a=("Float", 0, 1), b=("Int", 1, 9))
        limit = {"max_epochs": 4, "factor": 2} if name == "Hyperband" else {"max_trials": 9}
        return oracle_of(getattr(kt.oracles, name), folder, hp, seed=5, **limit)

    def score(trial: Any) -> float:
        return float(trial.hyperparameters["a"]) + float(trial.hyperparameters["b"])

    whole = run(fresh(tmp_path / "whole"), score, 8)
    first = fresh(tmp_path / "parts")
    parts = run(first, score, 4)
    running = first.create_trial("a")  # which a kill ends
    again = fresh(tmp_path / "parts")
    again.reload()
    assert again.create_trial("a").trial_id == running.trial_id
    parts += run(again, score, 4)
    assert parts == whole


@pytest.mark.exhaustive
def test_the_model_of_bayesian_optimization_finds_the_best(tmp_path: Path) -> None:
    def score(trial: Any) -> float:
        hp = trial.hyperparameters
        return float(abs(hp["a"] - 0.3) + abs(math.log10(hp["b"]) + 3))

    hp = space(a=("Float", -1, 1), b=("Float", 1e-5, 1e-1, None, "log"))
    oracle = oracle_of(kt.oracles.BayesianOptimizationOracle, tmp_path, hp, max_trials=25, seed=0)
    run(oracle, score)
    assert (oracle.get_best_trials()[0].score or 9) < 0.3


def test_hyperband_continues_the_best_of_each_round(tmp_path: Path) -> None:
    hp = space(a=("Float", 0, 1))
    oracle = oracle_of(kt.oracles.Hyperband, tmp_path, hp, max_epochs=4, factor=2, seed=1)
    tried = run(oracle, lambda trial: trial.hyperparameters["a"])
    first = [one["a"] for one in tried if (one["tuner/bracket"], one["tuner/round"]) == (2, 0)]
    second = [one["a"] for one in tried if (one["tuner/bracket"], one["tuner/round"]) == (2, 1)]
    assert (len(first), len(second)) == (4, 2)
    assert sorted(second) == sorted(first)[:2]
    assert {one["tuner/epochs"] for one in tried if one["tuner/round"] == 2} == {4}


def test_files_of_another_oracle_are_not_taken(tmp_path: Path) -> None:
    hp = space(a=("Float", 0, 1))
    run(oracle_of(kt.oracles.RandomSearch, tmp_path, hp), nothing, 1)
    with pytest.raises(RuntimeError, match=r"RandomSearchOracle.*pass `overwrite=True`"):
        oracle_of(kt.oracles.Hyperband, tmp_path, hp).reload()


def test_metrics_that_are_missing_are_named(tmp_path: Path) -> None:
    oracle = oracle_of(kt.oracles.RandomSearch, tmp_path, space(a=("Float", 0, 1)))
    trial = oracle.create_trial("a")
    with pytest.raises(InvalidInput, match="Objective value missing in metrics: score"):
        oracle.update_trial(trial.trial_id, {"loss": 1.0})
    assert oracle.get_trial(0) is trial
    oracle.update_trial(trial.trial_id, {"score": 3.0}, step=1)
    oracle.update_trial(trial.trial_id, {"score": 2.0}, step=2)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert (trial.score, trial.best_step) == (2.0, 2)


@pytest.mark.parametrize(
    ("name", "direction"),
    [("val_acc", "max"), ("val_weighted_ce", "min"), ("MAE", "min"), ("my_metric", None)],
)
def test_directions_follow_from_names(name: str, direction: str | None) -> None:
    assert infer_metric_direction(name) == direction
