"""The searches around Keras networks: folds and candidates train together."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import datasets, model_selection
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import paceline
from paceline.core import StudyWarning
from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

scikeras = pytest.importorskip("scikeras.wrappers")

X, Y = datasets.make_regression(60, 5, noise=5.0, random_state=0)
X = X.astype("float32")
Y = (Y / Y.std()).astype("float32")


def regression(units: int = 4, rate: float = 0.01, activation: str = "tanh") -> keras.Model:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(units, activation=activation), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of epochs of each call of Keras's ``fit``."""
    calls: list[int] = []
    original = keras.Model.fit

    def counted(self: Any, *args: Any, **given: Any) -> Any:
        calls.append(given.get("epochs", 1))
        return original(self, *args, **given)

    monkeypatch.setattr(keras.Model, "fit", counted)
    return calls


def wrapped(**options: Any) -> Any:
    """An estimator whose training does not depend on the order of rows."""
    given = {"batch_size": 60, "epochs": 4, "verbose": 0, "random_state": 0, **options}
    return scikeras.KerasRegressor(regression, **given)


def assert_close(ours: Any, theirs: Any, tolerance: float = 1e-4) -> None:
    for name, column in theirs.cv_results_.items():
        if "score" in name and not name.endswith("time"):
            np.testing.assert_allclose(ours.cv_results_[name], column, tolerance, err_msg=name)
    assert ours.best_params_ == theirs.best_params_


def test_scores_are_those_of_scikeras(fits: list[int]) -> None:
    grid = {"model__units": [2, 5], "epochs": [2, 4]}
    options: dict[str, Any] = {"cv": 2, "scoring": ["r2", "neg_mean_absolute_error"]}
    options |= {"refit": "r2", "return_train_score": True}
    ours = GridSearchCV(wrapped(model__units=3, model__rate=0.1), grid, **options).fit(X, Y)
    assert fits == []
    theirs = model_selection.GridSearchCV(
        wrapped(model__units=3, model__rate=0.1), grid, **options
    ).fit(X, Y)
    assert_close(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), 1e-4, 1e-4)


def test_no_fit_is_called_for_candidates_on_folds(fits: list[int]) -> None:
    values = {"model__units": np.arange(2, 40), "model__rate": [0.001, 0.01, 0.1]}
    search = RandomizedSearchCV(
        wrapped(model__units=3, model__rate=0.1, random_state=None),
        values,
        n_iter=12,
        cv=3,
        random_state=1,
        refit=False,
    ).fit(X, Y)
    assert fits == []
    assert len(search.cv_results_["params"]) == 12
    assert all(type(params["model__units"]) is int for params in search.cv_results_["params"])


@pytest.mark.exhaustive
def test_a_search_repeats_itself_by_the_seed_of_the_estimator() -> None:
    scores = []
    for seed in (0, 1):
        np.random.seed(seed)
        search = GridSearchCV(wrapped(batch_size=16), {"model__units": [2, 3]}, cv=2, refit=False)
        scores.append(search.fit(X, Y).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


@pytest.mark.exhaustive
def test_a_pipeline_is_fitted_to_the_rows_of_each_fold(fits: list[int]) -> None:
    estimator = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), wrapped(model__units=3)), transformer=MinMaxScaler()
    )
    grid: dict[str, Any] = {
        "regressor__kerasregressor__model__rate": [0.01, 0.1],
        "regressor__standardscaler": [StandardScaler(), "passthrough"],
    }
    options: dict[str, Any] = {"cv": model_selection.TimeSeriesSplit(3)}
    # inputs that saturate tanh would leave it to rounding, which differs: tests compile without
    # optimisation what Keras runs
    ours = GridSearchCV(estimator, grid, **options).fit(X + 0.5, Y)
    assert fits == []
    theirs = model_selection.GridSearchCV(estimator, grid, **options).fit(X + 0.5, Y)
    assert_close(ours, theirs)


@pytest.mark.exhaustive
def test_classes_weights_and_validation_rows(fits: list[int]) -> None:
    labels = np.array(["no", "yes", "perhaps"])[np.digitize(Y, [-0.5, 0.5])]
    weight = np.linspace(0.1, 2.0, len(Y))
    grid = {"model__units": [3, 6], "optimizer__learning_rate": [0.1, 0.01]}
    estimator = scikeras.KerasClassifier(
        uncompiled,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        batch_size=60,
        epochs=3,
        verbose=0,
        random_state=0,
        validation_split=0.2,
    )
    options: dict[str, Any] = {"cv": 3, "scoring": "neg_log_loss"}
    with warnings.catch_warnings(action="ignore"):
        ours, theirs = (
            kind(estimator, grid, **options).fit(X, labels, sample_weight=weight)
            for kind in (GridSearchCV, model_selection.GridSearchCV)
        )
    assert_close(ours, theirs, 1e-3)
    assert len(fits) == 1 + 12
    assert list(ours.classes_) == ["no", "perhaps", "yes"]
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), 1e-3, 1e-5)


def uncompiled(meta: Any, units: int = 4) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            layers.Dense(units, activation="relu"),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def by_shape(X: Any, y: Any, units: int = 3, rate: float = 0.02) -> keras.Model:
    outputs = 1 if y.ndim == 1 else y.shape[1]
    last = "softmax" if outputs > 1 else None
    model = keras.Sequential(
        [
            keras.Input((X.shape[1],)),
            layers.Dense(units, "relu"),
            layers.Dense(outputs, last),
        ]
    )
    loss = "categorical_crossentropy" if outputs > 1 else "mse"
    model.compile(keras.optimizers.SGD(rate), loss)
    return model


@pytest.mark.exhaustive
def test_the_wrappers_of_keras(fits: list[int]) -> None:
    grid = {"model_kwargs": [{"units": 3}, {"units": 5, "rate": 0.03}]}
    for wrapper, target in (
        (keras.wrappers.SKLearnRegressor, Y),
        (keras.wrappers.SKLearnClassifier, (Y > 0).astype(int)),
    ):
        fits.clear()
        search = GridSearchCV(wrapper(by_shape), grid, cv=3)
        search.fit(X, target, epochs=20, batch_size=16, verbose=0)
        assert fits == []
        assert search.cv_results_["mean_test_score"].max() > (0.3 if target is Y else 0.5)
        assert search.predict(X).shape[0] == len(X)


@pytest.mark.exhaustive
def test_searches_that_learn_train_candidates_together(fits: list[int]) -> None:
    space = {"model__units": (2, 16), "model__rate": (1e-3, 1e-1, "log-uniform")}
    for kind in (SearchCV, BayesSearchCV):
        fits.clear()
        estimator = wrapped(model__units=3, model__rate=0.1, batch_size=16, random_state=None)
        runs = [
            kind(estimator, space, n_iter=8, cv=2, random_state=3, refit=False).fit(X, Y)
            for _ in range(2)
        ]
        assert fits == []
        assert len(runs[0].cv_results_["params"]) == 8
        np.testing.assert_array_equal(
            runs[0].cv_results_["mean_test_score"], runs[1].cv_results_["mean_test_score"]
        )


@pytest.mark.exhaustive
def test_what_cannot_be_trained_together_is_fitted_and_said(fits: list[int]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", StudyWarning)
        GridSearchCV(wrapped(shuffle=False), {"epochs": [1, 2]}, cv=2).fit(X, Y)
    (said,) = caught
    assert "one after the other: fit is called with shuffle=False" in str(said.message)
    assert len(fits) == 5


@pytest.mark.exhaustive
def test_a_network_that_diverges_has_the_error_score() -> None:
    grid = {"model__rate": [0.01, 1e30]}
    with warnings.catch_warnings(action="ignore"):
        search = GridSearchCV(wrapped(model__rate=0.1, metrics=None), grid, cv=2).fit(X, Y)
        with pytest.raises(ValueError, match="fits failed"):
            GridSearchCV(wrapped(model__rate=0.1), {"model__rate": [1e30]}, cv=2).fit(X, Y)
    assert search.best_index_ == 0
    assert np.isnan(search.cv_results_["mean_test_score"][1])


@pytest.mark.exhaustive
def test_early_stopping_and_learning_rates_are_those_of_fit(fits: list[int]) -> None:
    grid = {"model__rate": [0.3, 0.03], "epochs": [6, 12]}
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    callbacks = [stopping, keras.callbacks.ReduceLROnPlateau("loss", patience=1)]
    estimator = wrapped(model__units=3, model__rate=0.1)
    given = {"validation_data": (X[:15], Y[:15]), "callbacks": callbacks}
    ours, theirs = (
        kind(estimator, grid, cv=3).fit(X, Y, **given)
        for kind in (GridSearchCV, model_selection.GridSearchCV)
    )
    assert len(fits) == 13
    assert_close(ours, theirs, 1e-3)


class OwnCallback(keras.callbacks.Callback):  # type: ignore[misc]
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = epoch == 1


@pytest.mark.exhaustive
def test_own_callbacks_are_called_by_fit(fits: list[int]) -> None:
    estimator = wrapped(callbacks=[OwnCallback()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", StudyWarning)
        search = GridSearchCV(estimator, {"model__units": [2, 3]}, cv=2).fit(X, Y)
    assert "OwnCallback" in str(caught[0].message)
    assert len(caught) == 1
    assert len(fits) == 5
    assert len(search.best_estimator_.history_["loss"]) == 2


def build(hp: paceline.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((5,))])
    if hp.Boolean("hidden"):
        model.add(layers.Dense(hp.Int("units", 2, 16), "tanh"))
    model.add(layers.Dense(3, "softmax"))
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


@pytest.mark.exhaustive
def test_a_build_function_in_place_of_an_estimator(fits: list[int]) -> None:
    labels = np.array(["no", "yes", "perhaps"])[np.digitize(Y, [-0.5, 0.5])]
    search = SearchCV(build, n_iter=6, cv=2, random_state=0).fit(X, labels, epochs=3)
    assert fits == []
    assert search.best_params_.keys() <= {"hidden", "units", "rate"}
    assert all(("units" in each) == each["hidden"] for each in search.cv_results_["params"])
    assert set(search.predict(X)) <= set(labels)
    assert search.score(X, labels) == np.mean(search.predict(X) == labels)
    assert is_classifier(search)
    assert search.estimator is build
    grid = GridSearchCV(build, {"rate": [0.1, 0.01], "epochs": [1, 2]}, cv=2).fit(X, labels)
    assert fits == []
    assert grid.best_params_.keys() == {"rate", "epochs"}
    with pytest.raises(ValueError, match="asks for"):
        GridSearchCV(build, {"width": [1, 2]}, cv=2, error_score="raise").fit(X, labels)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        keras.losses.Huber(name="own"),
        "MeanSquaredError",
        pytest.param("poisson", marks=pytest.mark.exhaustive),
        pytest.param(keras.losses.mean_absolute_error, marks=pytest.mark.exhaustive),
    ],
)
def test_whole_numbers_are_amounts_of_a_loss_of_amounts(loss: Any) -> None:
    def amounts(hp: paceline.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((5,)), layers.Dense(1, activation="softplus")])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-2)), loss)
        return model

    years = np.round(20 * Y) + 40
    search = SearchCV(amounts, n_iter=2, cv=2, random_state=0).fit(X, years, epochs=2)
    assert not is_classifier(search)
    assert search.best_score_ < 0.99, "a coefficient of determination"
    assert np.ptp(search.predict(X)) > 0
    assert search.predict(X).shape == years.shape


def test_two_numbers_are_classes_whatever_the_loss() -> None:
    def brier(hp: paceline.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((5,)), layers.Dense(1, activation="sigmoid")])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-2)), "mse")
        return model

    above = (Y > 0).astype(int)
    search = SearchCV(brier, n_iter=2, cv=2, random_state=0).fit(X, above, epochs=2)
    assert is_classifier(search)
    assert search.score(X, above) == np.mean(search.predict(X) == above)
    assert search.predict_proba(X).shape == (60, 2)


@pytest.mark.exhaustive
def test_a_kept_study_of_networks_is_not_trained_again(fits: list[int], tmp_path: Path) -> None:
    grid = {"model__units": [2, 3]}
    options: dict[str, Any] = {"cv": 2, "study": tmp_path / "s", "n_jobs": -1}
    targets = np.stack([Y, -Y], axis=1)
    estimator = scikeras.KerasRegressor(two_outputs, batch_size=60, epochs=2, verbose=0)
    first = GridSearchCV(estimator, grid, **options).fit(X, targets)
    assert first.predict(X).shape == targets.shape
    again = GridSearchCV(estimator, grid, **options).fit(X, targets)
    for name in ("split0_test_score", "split1_test_score", "mean_fit_time"):
        np.testing.assert_array_equal(first.cv_results_[name], again.cv_results_[name])
    assert keras.Model.fit.__name__ == "counted"  # as before


def two_outputs(units: int = 3) -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(units), layers.Dense(2)])
    model.compile("sgd", "mse")
    return model
