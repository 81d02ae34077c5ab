"""One name, several definitions: in whole studies of networks and of functions."""

import inspect
import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline import InvalidInput, StudyMismatch
from paceline.core import Configuration
from paceline.space import Condition
from paceline.study.ablation import configurations

ROWS = (
    np.random.default_rng(0).normal(size=(60, 4)).astype("float32"),
    np.random.default_rng(1).normal(size=60).astype("float32"),
)
RANGE = {"adam": (1e-4, 1e-2), "sgd": (0.02, 0.5)}


def build(hp: Any) -> keras.Model:
    """As most scripts write it: the range of the learning rate depends on the optimizer."""
    if hp.Choice("optimizer", ["adam", "sgd"]) == "adam":
        rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
        optimizer = keras.optimizers.Adam(rate)
    else:
        rate = hp.Float("rate", 0.02, 0.5, sampling="log")
        optimizer = keras.optimizers.SGD(rate)
    low, high = RANGE[hp["optimizer"]]
    assert low <= rate <= high
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    return model


def function(hp: Any) -> float:
    if hp.Choice("optimizer", ["adam", "sgd"]) == "adam":
        k = hp.Choice("k", [1, 2, 3])
    else:
        k = hp.Choice("k", [30, 40])
        assert k in (30, 40)
    return float(k + hp.Float("x", 0.0, 1.0))


def legal(study: paceline.Study) -> None:
    for trial in study.trials:
        assert dict(trial.config) == study.space.complete(trial.config)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    """A study of networks; to be looked at, and to be gone on with by the last test."""
    directory = tmp_path_factory.mktemp("studies") / "networks"
    return paceline.tune(
        build,
        ROWS,
        objective="val_loss",
        epochs=1,
        trials=8,
        seed=3,
        final=False,
        study=directory,
        search="bayes",
    )


def test_a_network_is_trained_within_the_range_that_it_asked_for(networks: paceline.Study) -> None:
    assert {trial.config["optimizer"] for trial in networks.trials} == {"adam", "sgd"}
    for trial in networks.trials:
        low, high = RANGE[str(trial.config["optimizer"])]
        assert low <= float(trial.config["rate"]) <= high
    assert all(trial.error is None for trial in networks.trials)
    legal(networks)
    notes = " ".join(networks.record.notes)
    assert (
        "rate is 2 hyperparameters, as the builds show: Float('rate', 0.0001, 0.01, "
        "sampling='log') where" in notes
    )


def test_everything_that_looks_at_it_knows_both(networks: paceline.Study) -> None:
    table = networks.trials_dataframe()
    assert list(table["config_rate"]) == [trial.config["rate"] for trial in networks.trials]
    page = (networks.directory / "report.html").read_text()
    assert "rate (optimizer is sgd)" in page or "Importance cannot be computed" in page
    assert paceline.load_study(networks.directory).space == networks.space
    assert networks.best_model() is not None


def test_an_ablation_changes_what_can_be_changed_alone(networks: paceline.Study) -> None:
    space = networks.space
    start: Configuration = {"optimizer": "adam", "rate": 1e-3}
    goal: Configuration = {"optimizer": "sgd", "rate": 0.1}
    sides = configurations(space, start, goal)
    for changes in sides.values():
        for name, config in changes.items():
            assert config == space.complete(config), name
    assert set(next(iter(sides.values()))) == {
        "",
        "optimizer",
    }  # the rate of one is none of the other


def test_a_study_with_variants_continues(networks: paceline.Study) -> None:
    more = paceline.resume(networks.directory, build, ROWS, trials=10)
    assert [trial.config for trial in more.trials[:8]] == [
        trial.config for trial in networks.trials
    ]
    legal(more)

    def other(hp: Any) -> keras.Model:
        hp.Choice("optimizer", ["adam", "sgd"])
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(hp.Float("rate", 1e-4, 1e-2, sampling="log")), loss="mse"
        )
        return model

    with pytest.raises(StudyMismatch, match="the space differs in rate"):
        paceline.resume(networks.directory, other, ROWS, trials=11)


@pytest.mark.parametrize("search", ["random", "bayes"])
def test_a_function_is_answered_what_it_asked_for(tmp_path: Path, search: str) -> None:
    study = paceline.tune(
        function, objective="min", search=search, trials=14, seed=2, study=tmp_path
    )
    assert all(trial.error is None for trial in study.trials)
    assert [len(study.space.variants(name)) for name in study.space.names] == [1, 2, 1]
    assert study.space.variants("k")[0].conditions == (Condition("optimizer", ["adam"]),)
    legal(study)
    more = paceline.resume(tmp_path, function, trials=18)
    assert all(trial.error is None for trial in more.trials)
    legal(more)


def test_variants_are_the_same_in_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(inspect.getsource(function)).replace(": Any", ""))
    asked: dict[str, Any] = {
        "objective": "min",
        "search": "random",
        "trials": 12,
        "seed": 2,
        "in_flight": 4,
    }
    alone = paceline.tune(f"{script}:function", study=tmp_path / "alone", **asked)
    crew = paceline.tune(f"{script}:function", study=tmp_path / "crew", workers=2, **asked)
    assert [trial.config for trial in crew.trials] == [trial.config for trial in alone.trials]
    assert crew.space == alone.space


def test_two_definitions_that_nothing_tells_apart_end_the_study(tmp_path: Path) -> None:
    calls = iter(range(100))

    def moody(hp: Any) -> float:
        return float(hp.Int("n", 1, 3 + next(calls) % 2))

    with pytest.raises(
        InvalidInput, match=r"'n' is defined as Int\('n', 1, 3\) and as Int\('n', 1, 4\)"
    ):
        paceline.tune(
            moody, objective="min", search="random", trials=8, seed=1, study=tmp_path / "moody"
        )

    def twice(hp: Any) -> float:
        try:
            return float(hp.Int("n", 1, 3) + hp.Int("n", 1, 4))
        except ValueError:
            return 0.0

    with pytest.raises(InvalidInput, match="under the same conditions"):
        paceline.tune(
            twice, objective="min", search="random", trials=8, seed=1, study=tmp_path / "twice"
        )


def test_fixed_values_of_a_function_are_checked_when_it_asks(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"fixed gives 'x' the value 99; expected a number from 0\.0 to 1\.0"
    ):
        paceline.tune(
            function, objective="min", trials=8, seed=1, fixed={"x": 99}, study=tmp_path / "wrong"
        )
    asked: dict[str, Any] = {
        "objective": "min",
        "trials": 5,
        "seed": 1,
        "search": "random",
        "study": tmp_path / "s",
    }
    with pytest.warns(paceline.StudyWarning, match="Did you mean 'k'?") as caught:
        study = paceline.tune(function, fixed={"x": 0.5, "kk": 3}, **asked)
    assert [one.filename for one in caught] == [__file__]
    assert {trial.config["x"] for trial in study.trials} == {0.5}
    assert (
        "fixed is about 'kk', which the function has not asked for. Did you mean 'k'?"
        in study.record.notes
    )
    assert {
        trial.config["x"] for trial in paceline.resume(tmp_path / "s", function, trials=7).trials
    } == {0.5}
