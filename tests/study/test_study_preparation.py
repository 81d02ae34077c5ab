"""One rule of preparation for all forms of data; the model that a study hands out takes the user's
own rows.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from tests.study import definitions

import paceline
from paceline.core import InvalidInput, Splits, StudyMismatch
from paceline.data import Split, split
from paceline.report import read, text
from paceline.report.document import document
from paceline.report.terminal import console
from paceline.space import HyperParameters
from paceline.study.plan.engine import training_data
from paceline.study.plan.network_plan import NetworkPlan
from paceline.train.array_feed import TrainingData
from paceline.train.isolation import GlobalState
from paceline.train.target_scaling import target_scale_of

Array = np.ndarray[Any, Any]
ROWS = 240
RANDOM = np.random.default_rng(0)


def houses() -> pd.DataFrame:
    """Prices of houses: columns of very different sizes, gaps, categories, a running number."""
    area, age = RANDOM.normal(120, 40, ROWS), RANDOM.integers(0, 60, ROWS)
    town = RANDOM.choice(["Bern", "Oslo", "Rome"], ROWS)
    price = (
        100_000 + 900 * area - 600 * age + 20_000 * (town == "Oslo") + RANDOM.normal(0, 8_000, ROWS)
    )
    frame = pd.DataFrame(
        {"id": range(1, ROWS + 1), "area": area, "age": age, "town": town, "price": price.round()}
    )
    frame.loc[::11, "area"] = np.nan
    return frame


HOUSES = houses()
X = RANDOM.normal(size=(ROWS, 2))
SIDE = (X[:, 0] > 0).astype(int)
FIVE_OR_TWO = np.where(SIDE == 1, 5, 2)


def parts(x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
    """With the last quarter as test part."""
    return x[:180], y[:180], x[180:], y[180:]


def regressor(width: int, loss: str = "mse", hidden: int = 0) -> Any:
    def build(hp: Any) -> keras.Model:
        layers = [keras.layers.Dense(hidden, "relu")] if hidden else []
        model = keras.Sequential([keras.Input((width,)), *layers, keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(hp.Float("rate", 0.02, 0.1)), loss, metrics=["mae"])
        return model

    return build


def classifier(
    width: int, activation: str = "softmax", loss: str = "sparse_categorical_crossentropy"
) -> Any:
    def build(hp: Any) -> keras.Model:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(width, activation)])
        model.compile(keras.optimizers.Adam(hp.Float("rate", 0.2, 0.3)), loss, metrics=["accuracy"])
        return model

    return build


SETTINGS: dict[str, Any] = {
    "objective": "val_loss",
    "epochs": 5,
    "trials": 1,
    "search": "random",
    "schedule": "full",
    "seed": 3,
    "batch_size": 16,
}


def tune(directory: Path, build: Any, data: Any, **options: Any) -> paceline.Study:
    return paceline.tune(
        build, data, study=directory, **{**SETTINGS, "final": False, "display": False, **options}
    )


def planned(build: Any, data: Any, **options: Any) -> tuple[Split, NetworkPlan]:
    """What `tune` would work with; trains nothing."""
    plan = definitions.planned(build, data, study=Path("nowhere"), **SETTINGS, **options)
    assert isinstance(plan.split, Split)
    return plan.split, plan


def on_test(study: paceline.Study) -> Mapping[str, float]:
    assert study.record.tested is not None
    return study.record.tested.metrics


def evaluated(study: paceline.Study, x: Any, y: Any) -> dict[str, float]:
    found: dict[str, float] = study.best_model().evaluate(
        x, y, batch_size=512, verbose=0, return_dict=True
    )
    return found


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    """Of the prices in a CSV, with a final; to be looked at only."""
    folder = tmp_path_factory.mktemp("prices")
    HOUSES.to_csv(folder / "houses.csv", index=False)
    how: dict[str, Any] = {
        "target": "price",
        "test": 0.25,
        "trials": 2,
        "epochs": 16,
        "final": 2,
        "keep_models": 1,
    }
    return tune(folder / "s", regressor(5, hidden=8), folder / "houses.csv", **how)


@pytest.mark.exhaustive
def test_prices_in_a_csv_are_learnt_about_as_well_as_by_linear_regression(
    prices: paceline.Study,
) -> None:
    data = paceline.data.load(HOUSES, target="price", test=0.25, seed=3)
    train, held_out = (
        np.nan_to_num(np.column_stack([x, x[:, 3] == 1]), nan=120) for x in (data.x, data.x_test)
    )
    off = np.abs(LinearRegression().fit(train, data.y).predict(held_out) - data.y_test).mean()
    assert on_test(prices)["mae"] < 1.5 * off
    # scores, the final, the test and the model are all in the price's unit, and the model takes the
    # rows of the table
    best = min(prices.trials, key=lambda trial: trial.score or np.inf)
    val_rows = split(data, validation=0.1, seed=3, batch_rows=16).val_rows
    model = prices.model(best.number)
    found = model.evaluate(data.x[val_rows], data.y[val_rows], batch_size=16, verbose=0)
    assert found[0] == pytest.approx(best.score, rel=1e-6)
    assert best.program != "fit"
    assert evaluated(prices, data.x_test, data.y_test) == pytest.approx(on_test(prices), rel=1e-5)
    assert prices.record.final is not None
    scores = [*(trial.score for trial in prices.trials), *prices.record.final.scores.values()]
    assert all(score is not None and score > 1e6 for score in scores)
    assert any(
        "price (mean" in note and "is learnt as (y - " in note for note in prices.record.notes
    )


def test_the_preparation_of_each_column_is_described(
    prices: paceline.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    told = dict(zip(prices.columns()["column"], prices.columns()["became"], strict=True))
    gaps = int(paceline.data.load(HOUSES, target="price", test=0.25, seed=3).columns[1].num_missing)
    assert told == {
        "id": "left out: it numbers the rows",
        "area": f"a number, {gaps} missing values filled with the median",
        "age": "a number",
        "town": "3 categories",
    }
    for say in (text.show, text.result):
        say(read(prices.directory), console())
        printed = capsys.readouterr().out
        assert printed.index("  town: 3 categories") < printed.index(
            "  id: left out: it numbers the rows"
        )
    assert "Use of the columns" in document(read(prices.directory))


def test_the_model_takes_the_columns_of_the_user(prices: paceline.Study) -> None:
    frame = HOUSES.drop(columns="price")
    rows = prices.prepare(frame)
    assert rows.shape == (ROWS, 4)
    assert np.isnan(rows[0, 1])
    np.testing.assert_array_equal(
        prices.prepare(frame[["town", "area", "id", "age"]].assign(other=1)), rows
    )
    with zipfile.ZipFile(prices.directory / "best.keras") as archive:
        about = json.loads(archive.read("paceline.json"))
    assert [one["column"] for one in about["row"]] == ["id", "area", "age", "town"]
    assert about["row"][3] == {"column": "town", "number of": ["Bern", "Oslo", "Rome"]}
    alone = keras.saving.load_model(prices.directory / "best.keras", safe_mode=True)
    said = alone.predict(rows, verbose=0)
    assert np.all((said > 50_000) & (said < 400_000))
    with pytest.raises(InvalidInput, match="lacks the columns town"):
        prices.prepare(frame.drop(columns="town"))
    with pytest.raises(InvalidInput, match="x is not; expected a data frame"):
        prices.prepare(rows)


def test_tables_are_prepared_and_arrays_are_taken_as_they_are() -> None:
    x = X * [900, 0.01] + [5000, 0]
    own, plan = planned(classifier(2), parts(x, SIDE))
    np.testing.assert_array_equal(own.x_test, x[180:].astype(np.float32))
    assert any("pass standardize=True" in note for note in plan.notes)
    frame = pd.DataFrame(x, columns=["a", "b"])
    asked: list[Any] = [
        ("mlp", x, {}),
        (classifier(2), x, {"standardize": True}),
        (classifier(2), frame, {}),
    ]
    for build, inputs, options in asked:
        own, plan = planned(build, parts(inputs, SIDE), **options)
        assert abs(own.x_train).max() < 10
        assert any("were shifted and scaled" in note for note in plan.notes)


@pytest.mark.exhaustive
def test_whole_number_classes_that_fit_the_head_stay_as_they_are(tmp_path: Path) -> None:
    data, weights = parts(X, FIVE_OR_TWO), {2: 5, 5: 9}
    study = tune(tmp_path / "s", classifier(6), data, class_weight=weights)
    assert any(
        "Classes 2, 5 stay as they are: the network has 6 outputs." in note
        for note in study.record.notes
    )
    assert not any("numbered" in note for note in study.record.notes)
    assert study.classes == (0, 1, 2, 3, 4, 5)
    assert evaluated(study, X[180:], FIVE_OR_TWO[180:]) == pytest.approx(on_test(study), rel=1e-5)
    assert on_test(study)["accuracy"] > 0.9
    more = paceline.resume(tmp_path / "s", classifier(6), data, trials=2)
    assert len(more.trials) == 2
    with pytest.raises(StudyMismatch, match="class_weight is"):
        paceline.resume(tmp_path / "s", classifier(6), data, trials=3, class_weight={5: 5})


def test_classes_that_do_not_fit_the_output_are_numbered_and_recorded() -> None:
    for build in (classifier(2), classifier(1, "sigmoid", "binary_crossentropy"), "mlp"):
        own, plan = planned(build, parts(X, FIVE_OR_TWO))
        np.testing.assert_array_equal(own.y_test, SIDE[180:])
        assert "Classes 2, 5 are numbered 0 to 1." in plan.notes
        assert plan.preparation is not None
        assert plan.preparation["classes"] == ["2", "5"]


@pytest.mark.exhaustive
def test_booleans_stay_booleans(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", classifier(2), (X, SIDE == 1), epochs=9)
    assert study.classes == (False, True)
    said = np.array(study.classes)[study.best_model().predict(X, verbose=0).argmax(axis=1)]
    assert np.mean(said == (SIDE == 1)) > 0.9
    assert paceline.resume(tmp_path / "s", classifier(2), (X, SIDE == 1), trials=2).classes == (
        False,
        True,
    )


def test_class_weights_go_by_the_classes_of_the_user() -> None:
    names = np.where(SIDE == 1, "yes", "no")
    for y, weight in ((SIDE, [5, 9]), (SIDE + 1, {1: 5, 2: 9}), (names, {"no": 5, "yes": 9})):
        own, plan = planned(classifier(2), (X, y), class_weight=weight)
        trained = training_data(own, plan.definition.class_weight)
        assert isinstance(trained, TrainingData)
        _, labels, weights = trained.train
        np.testing.assert_array_equal(weights, np.where(labels == 1, 9, 5))
    floats = SIDE.astype(np.float32)
    for given in ({0: 5, 1: 9}, [5, 9], "balanced"):
        own, plan = planned(
            classifier(1, "sigmoid", "binary_crossentropy"), (X, floats), class_weight=given
        )
        trained = training_data(own, plan.definition.class_weight)
        assert isinstance(trained, TrainingData)
        _, labels, weights = trained.train
        ratio = 9 / 5 if given != "balanced" else np.sum(labels == 0) / np.sum(labels == 1)
        assert weights[labels == 1].max() / weights[labels == 0].max() == pytest.approx(ratio)
    with pytest.raises(InvalidInput, match="names the class '99'"):
        planned(classifier(2), (X, SIDE), class_weight={99: 2})


def test_a_target_is_scaled_only_where_that_makes_no_other_loss_of_it() -> None:
    data = parts(X, 1000 + 300 * X[:, 0])

    def scaled(build: Any, data: Any, **options: Any) -> bool:
        _, plan = planned(build, data, **options)
        with GlobalState(0):
            scale = target_scale_of(plan.definition.build(HyperParameters()))
        assert (scale is not None) == any("is learnt as (y - " in note for note in plan.notes)
        return scale is not None

    assert scaled(regressor(2), data)
    assert not scaled(regressor(2, "huber"), data)
    assert not scaled(regressor(2), data, scale_target=False)
    assert not scaled(regressor(2), parts(X, X[:, 0]))
    assert scaled(regressor(2), parts(X, X[:, 0]), scale_target=True)
    assert scaled(regressor(2, "huber"), data, scale_target=True)
    _, plan = planned(regressor(2, "huber"), data)
    told = (
        "learnt as it is: its loss changes when target and prediction are scaled. scale_target=True"
    )
    assert any(told in note for note in plan.notes)
    with pytest.raises(
        InvalidInput, match="scale_target is True and the target y is not one of amounts"
    ):
        planned(classifier(2), (X, SIDE), scale_target=True)
    with pytest.raises(InvalidInput, match="scale_target is 'yes'"):
        planned(regressor(2), data, scale_target="yes")


def test_rows_in_the_order_of_time() -> None:
    """Validation is the last rows before the test part, and the final does not train on the future
    either.
    """
    time = np.arange(ROWS) / ROWS
    own, plan = planned(regressor(2), (X, time), test=0.25, shuffle=False)
    assert own.y_train.max() < own.y_val.min() <= own.y_val.max() < own.y_test.min()
    assert plan.fresh_splits.kind is Splits.SAME
    assert plan.settings.data.options() == {"test": 0.25, "shuffle": False}
    with pytest.raises(InvalidInput, match="TimeSeriesSplit"):
        planned(regressor(2), (X, time), shuffle=False, folds=3)


def test_a_study_made_before_goes_on_by_the_rule_that_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It numbered classes in any case, left pairs of a frame and a series as they are, and recorded
    nothing of it.
    """
    data = parts(pd.DataFrame(X * [900, 1], columns=["a", "b"]), FIVE_OR_TWO)
    with monkeypatch.context() as before:
        for module in ("plan.study_data", "inputs.loading_data"):
            before.setattr(f"paceline.study.{module}.rule_of", lambda recorded: 1)
        old = tune(tmp_path / "s", classifier(6), data, class_weight={0: 5, 1: 9})
    assert "preparation" not in (old.record.created.data if old.record.created else {})
    more = paceline.resume(tmp_path / "s", classifier(6), data, trials=2)
    assert [trial.score for trial in more.trials[:1]] == [trial.score for trial in old.trials]
    assert len(more.trials) == 2
    evaluated(more, data[2], (data[3] == 5).astype(int))
    with pytest.raises(InvalidInput, match="did not record how its data were prepared"):
        more.prepare(data[2])
