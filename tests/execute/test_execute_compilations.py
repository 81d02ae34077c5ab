"""Studies of the same space share compiled programs, whatever configurations they draw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.execute import Executor, NetworkWork, Work, create
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.prepare import structural_hint
from paceline.space import Choice, Float, Space


def build(hp: Any) -> keras.Model:
    activation = hp.Choice("activation", ["relu", "tanh"])
    units = hp.Int("units", 2, 9)
    # 0.5 is a constant of plain arithmetic
    dropout = hp.Choice("dropout", [0.25, 0.5])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, activation),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    return model


def compiled(directory: Path, seed: int, trials: int) -> Sequence[tuple[int, bool]]:
    """The number of lanes of each program of a study, and whether it was compiled from scratch."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    study = paceline.tune(
        build,
        (x, x.sum(1)),
        study=directory / str(seed),
        objective="val_loss",
        epochs=1,
        trials=trials,
        seed=seed,
        search="random",
        display=False,
        final=False,
    )
    return [(one.num_lanes, one.from_scratch > 0) for one in study.record.compilations]


def test_a_study_with_another_seed_compiles_nothing(tmp_path: Path) -> None:
    first = compiled(tmp_path, 1, trials=5)
    second = compiled(tmp_path, 20, trials=5)
    assert [is_new for _, is_new in first] == [True, True]  # one for each activation
    assert [is_new for _, is_new in second] == [False, False]
    lanes = {num_lanes for num_lanes, _ in [*first, *second]}
    assert all(num_lanes & (num_lanes - 1) == 0 for num_lanes in lanes)


def test_a_study_may_continue_with_merging_switched_off(tmp_path: Path) -> None:
    works: list[NetworkWork] = []

    def recording(work: Work) -> Executor:
        assert isinstance(work, NetworkWork)
        works.append(work)
        return create("local", work)

    x = np.ones((64, 4), "float32")
    common: dict[str, Any] = {"display": False, "executor": recording}
    asked: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 1,
        "search": "random",
        "final": False,
    }
    paceline.tune(build, (x, x.sum(1)), study=tmp_path / "s", trials=1, **asked, **common)
    paceline.resume(tmp_path / "s", build, (x, x.sum(1)), trials=2, merge=False, **common)
    assert [(work.options.merge, work.num_configs) for work in works] == [(True, 1), (False, 2)]


@pytest.mark.parametrize(("num_configs", "expected"), [(None, 3), (1, 1), (64, 16)])
def test_networks_are_expected_by_the_space(num_configs: int | None, expected: int) -> None:
    space = Space([Float("rate", 1e-3, 1.0), Choice("units", [2, 3, 4, 5])])
    hint = structural_hint({"units": True, "rate": False}, space)
    found = [
        ExpectedNetworks(space, hint, num_configs, repeats).sharing({"rate": 0.1, "units": 3}, 3)
        for repeats in (1, 2)
    ]
    if num_configs is None:
        assert found == [expected, expected]
    else:
        assert found[0] == pytest.approx(expected, rel=0.25)
        assert found[1] == 2 * found[0]
