"""The searches around Keras networks: folds and candidates train together."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import datasets, model_selection

from paceline.sklearn import GridSearchCV, RandomizedSearchCV

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


def classes(meta: Any, units: int = 4) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            layers.Dense(units, activation="relu"),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
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
    grid = {"model__units": [2, 5], "model__rate": [0.01, 0.1], "epochs": [2, 4]}
    options: dict[str, Any] = {"cv": 3, "scoring": ["r2", "neg_mean_absolute_error"]}
    options |= {"refit": "r2", "return_train_score": True}
    ours = GridSearchCV(wrapped(model__units=3, model__rate=0.1), grid, **options).fit(X, Y)
    assert len(fits) == 1  # the refit
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
