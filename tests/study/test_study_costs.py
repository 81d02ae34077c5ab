"""What a configuration is expected to cost, on a study of networks of two widths with dropout."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.study.definitions import planned

from paceline.core import Measurement, Trial, TrialState
from paceline.core.events import ProgramCompiled
from paceline.study.plan.network_plan import NetworkPlan
from paceline.study.planned.costs import Costs

ROWS = np.zeros((96, 4), "float32"), np.zeros(96, "float32")


def build(hp: Any) -> keras.Model:
    dense = keras.layers.Dense(hp.Choice("units", [4, 64]), "relu")
    dropout = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5))
    model = keras.Sequential([keras.Input((4,)), dense, dropout, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-2), loss="mse")
    return model


def plan(directory: Path, **limits: Any) -> NetworkPlan:
    options: dict[str, Any] = {"objective": "val_loss", "seed": 0, "validation": 0.2, "epochs": 4}
    options["merge"] = False  # each number of units is a program
    return planned(build, ROWS, study=directory, **options, **limits)


def trial(number: int, units: int, dropout: float, seconds: float = 0.0) -> Trial:
    """One that took so long for its four epochs; without seconds it has only been asked for."""
    config = {"units": units, "dropout": dropout}
    if not seconds:
        return Trial(number, config, 0, 4)
    measured = tuple(
        Measurement(epoch, {"val_loss": 1.0}, seconds * epoch / 4) for epoch in range(1, 5)
    )
    return Trial(
        number, config, 0, 4, TrialState.COMPLETED, measurements=measured, parameters=6 * units + 1
    )


def test_what_is_compiled_or_asked_for_is_cheaper_than_a_new_program(tmp_path: Path) -> None:
    trials = [trial(0, 4, 0.1, seconds=2.0), trial(1, 64, 0.2)]
    compiled = [ProgramCompiled("one", 1, 3.0, 2)]
    for limits in ({"trials": 8}, {"budget": "1h"}):  # in order by counts, else by seconds
        costs = Costs.of(trials, compiled, plan(tmp_path / "study", **limits), left=None)
        assert costs is not None
        small, rate, large, without = (
            costs({"units": units, "dropout": dropout})
            for units, dropout in ((4, 0.1), (4, 0.5), (64, 0.3), (4, 0.0))
        )
        assert rate == small  # a rate is a number
        assert without > small  # but zero leaves the layer out
        assert large < without  # its program is on its way
    assert (small, without) == pytest.approx((2.0, 5.0))


def test_what_the_time_left_does_not_repay_costs_infinity(tmp_path: Path) -> None:
    trials, compiled = [trial(0, 4, 0.1, seconds=2.0)], [ProgramCompiled("one", 1, 3.0, 2)]
    costs = Costs.of(trials, compiled, plan(tmp_path / "study", budget="1h"), left=4.9)
    assert costs is not None
    assert costs({"units": 64, "dropout": 0.1}) == math.inf  # 3 s to compile it, 2 s to train it
    assert costs({"units": 4, "dropout": 0.4}) == pytest.approx(2.0)
    assert replace(costs, left=5.1)({"units": 64, "dropout": 0.1}) == pytest.approx(5.0)


def test_nothing_is_known_before_a_trial_was_measured(tmp_path: Path) -> None:
    assert Costs.of([trial(0, 4, 0.1)], [], plan(tmp_path / "study", trials=8), left=None) is None
