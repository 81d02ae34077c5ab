"""What a configuration is expected to cost, on a study of networks of two widths with dropout."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest
from tests.study.definitions import planned

from paceline.core import Measurement, Trial, TrialState
from paceline.core.events import ProgramCompiled
from paceline.study.plan.default_schedule import in_flight_of, in_flight_of_function
from paceline.study.plan.network_plan import NetworkPlan
from paceline.study.planned.costs import Costs
from paceline.train.device_facts import DeviceFacts

ROWS = np.zeros((96, 4), "float32"), np.zeros(96, "float32")


def build(hp: Any) -> keras.Model:
    dense = keras.layers.Dense(hp.Choice("units", [4, 64]), "relu")
    dropout = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5))
    model = keras.Sequential([keras.Input((4,)), dense, dropout, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-2), loss="mse")
    return model


def plan(directory: Path, merge: bool = False, **limits: Any) -> NetworkPlan:
    """In order by counts unless a budget limits its time."""
    options: dict[str, Any] = {"objective": "val_loss", "seed": 0, "validation": 0.2, "epochs": 4}
    options["merge"] = merge
    return planned(build, ROWS, study=directory, **options, **limits)


def trial(
    number: int, units: int, dropout: float, seconds: float = 0.0, program: str | None = None
) -> Trial:
    """One that took so long for its four epochs; without seconds it has only been asked for."""
    config = {"units": units, "dropout": dropout}
    if not seconds:
        return Trial(number, config, 0, 4, program=program)
    measured = tuple(
        Measurement(epoch, {"val_loss": 1.0}, seconds * epoch / 4) for epoch in range(1, 5)
    )
    return Trial(
        number,
        config,
        0,
        4,
        TrialState.COMPLETED,
        program=program,
        measurements=measured,
        parameters=6 * units + 1,
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


def test_widths_that_share_a_program_cost_the_same(tmp_path: Path) -> None:
    compiled = [ProgramCompiled("one", 1, 3.0, 2)]
    for limits in ({"trials": 8}, {"budget": "1h"}):
        merged = plan(tmp_path / "study", merge=True, **limits)
        trials = [trial(i, units, 0.1, 2.0, "one") for i, units in enumerate((64, 4, 8, 16))]
        costs = Costs.of(trials, compiled, merged, left=None)
        reverse = Costs.of(trials[::-1], compiled, merged, left=None)
        assert costs is not None
        assert reverse is not None
        small, large = ({"units": units, "dropout": 0.3} for units in (4, 32))
        # padded to the largest, and compiled, also a width that is new
        assert costs(small) == costs(large) == reverse(small)
        assert costs({"units": 4, "dropout": 0.0}) > costs(small)


def test_widths_of_which_each_was_compiled_are_new_programs_in_time(tmp_path: Path) -> None:
    """Such as those of a layer that cannot be merged; counts do not depend on what was merged."""
    compiled = [ProgramCompiled("one", 1, 3.0, 2)]
    trials = [trial(i, units, 0.1, 2.0, f"{units}") for i, units in enumerate((64, 4, 8, 16))]
    first, other = ({"units": units, "dropout": 0.3} for units in (64, 32))
    for merge in (True, False):
        timed = plan(tmp_path / "study", merge=merge, budget="1h")
        for known in (1, 3, 4):
            costs = Costs.of(trials[:known], compiled, timed, left=None)
            assert costs is not None
            # with merging, three may be the sizes of merged programs
            assert (costs(other) > costs(first)) == (known == 4 or not merge)
        counted = Costs.of(
            trials, compiled, plan(tmp_path / "study", merge=merge, trials=8), left=None
        )
        assert counted is not None
        assert counted(other) == counted(first)


def test_a_search_that_learns_has_four_rounds_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    def number(trials: int | None, learns: bool = True, platform: str = "gpu") -> int:
        monkeypatch.setattr(jax, "default_backend", lambda: platform)
        return in_flight_of("jax", learns, trials)

    lanes = DeviceFacts("gpu", 1, 8, 2**30).max_idle_lanes
    assert number(None) == number(4 * lanes) == number(10, learns=False) == lanes
    assert (number(10), number(40), number(100)) == (6, 10, 25)
    assert number(10, platform="cpu") == number(None, platform="cpu") == 6
    assert in_flight_of("torch", True, 100) == 1


def test_a_model_proposes_ahead_for_many_workers() -> None:
    def number(workers: int, learns: bool = True, is_full: bool = True) -> int:
        return in_flight_of_function(workers, learns, is_full)

    assert [number(n) for n in (1, 2, 31, 32, 511, 1000)] == [1, 2, 31, 33, 526, 1062]
    assert number(1000, is_full=False) == 1000
    assert number(1000, learns=False) == 2000


def test_what_the_time_left_does_not_repay_costs_infinity(tmp_path: Path) -> None:
    trials, compiled = [trial(0, 4, 0.1, seconds=2.0)], [ProgramCompiled("one", 1, 3.0, 2)]
    costs = Costs.of(trials, compiled, plan(tmp_path / "study", budget="1h"), left=4.9)
    assert costs is not None
    assert costs({"units": 4, "dropout": 0.0}) == math.inf  # 3 s to compile it, 2 s to train it
    assert costs({"units": 4, "dropout": 0.4}) == pytest.approx(2.0)
    assert replace(costs, left=5.1)({"units": 4, "dropout": 0.0}) == pytest.approx(5.0)


def test_nothing_is_known_before_a_trial_was_measured(tmp_path: Path) -> None:
    assert Costs.of([trial(0, 4, 0.1)], [], plan(tmp_path / "study", trials=8), left=None) is None
