"""What is wrong with one configuration fails its trial; the study goes on with the others."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import AllTrialsFailed, InvalidInput, TrialState

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def build(hp: Any) -> keras.Model | None:
    """What is wrong within the range of the rate is seen by no build before the search."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    metrics = ["mae"] if hp.Boolean("measured", default=True) else []
    rate = hp.Float("rate", 0.01, 0.02)
    model.compile(
        keras.optimizers.SGD(rate), None if 0.0181 < rate < 0.0191 else "mse", metrics=metrics
    )
    return None if 0.0191 < rate < 0.0199 else model


def tuned(
    directory: Path, configs: list[dict[str, Any]], objective: Any = "val_mae"
) -> paceline.Study:
    return paceline.tune(
        build,
        (X, X[:, 0]),
        study=directory,
        objective=objective,
        epochs=1,
        trials=len(configs),
        search="random",
        start_with=configs,
        schedule="full",
        seed=1,
        final=False,
        display=False,
        test=None,
    )


def test_a_configuration_that_does_not_measure_the_objective_fails_alone(tmp_path: Path) -> None:
    study = tuned(tmp_path / "study", [{}, {"measured": False}, {"rate": 0.0185}, {"rate": 0.0195}])
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETED,
        *[TrialState.FAILED] * 3,
    ]
    reasons = [trial.error or "" for trial in study.trials[1:]]
    assert (
        "objective is 'val_mae'; expected one of the model's metrics: loss, val_loss" in reasons[0]
    )
    assert "Add it to metrics=[...] in model.compile." in reasons[0]
    assert "compiled with loss=None" in reasons[1]
    assert "build(hp) returned NoneType" in reasons[2]
    assert study.best.number == 0


def test_the_study_ends_where_all_of_them_fail(tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [{"measured": False}, {"measured": False, "rate": 0.015}]
    with pytest.raises(
        AllTrialsFailed, match=r"the first 2 trials all failed.*objective is 'val_mae'"
    ):
        tuned(tmp_path / "study", configs)


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("val_MAE", r"Did you mean 'val_mae'\?$"),
        ("val_mea", r"Did you mean 'val_mae'\? If not: Add it to metrics="),
    ],
)
def test_an_objective_that_is_misspelt(tmp_path: Path, objective: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        tuned(tmp_path / "study", [{}], objective=(objective, "min"))
    assert not (tmp_path / "study").exists()
