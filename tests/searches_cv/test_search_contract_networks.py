"""scikit-learn's own checks of estimators, on the searches around networks of scikeras.

They take long, and the four searches have most of their code in common. So each check is made on
one of them.
"""

from typing import Any

import keras
import pytest
from keras import layers
from sklearn.utils.estimator_checks import estimator_checks_generator

from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

scikeras = pytest.importorskip("scikeras.wrappers")

# as scikit-learn runs them: its own checks and estimators warn
pytestmark = [pytest.mark.exhaustive, pytest.mark.filterwarnings("default")]


def regression(meta: dict[str, Any], units: int = 2) -> keras.Model:
    outputs = meta["n_outputs_"]
    model = keras.Sequential(
        [keras.Input((meta["n_features_in_"],)), layers.Dense(units), layers.Dense(outputs)]
    )
    model.compile("adam", "mse")
    return model


def classification(meta: dict[str, Any], units: int = 2) -> keras.Model:
    outputs = max(2, meta["n_classes_"])
    model = keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            layers.Dense(units),
            layers.Dense(outputs, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


NETWORK: dict[str, Any] = {"units": 2, "batch_size": 64, "verbose": 0, "random_state": 0}
REGRESSOR = scikeras.KerasRegressor(regression, **NETWORK)
CLASSIFIER = scikeras.KerasClassifier(classification, **NETWORK)

OPTIONS: dict[str, Any] = {"cv": 2, "error_score": "raise"}
SEARCHES: list[Any] = [
    GridSearchCV(REGRESSOR, {"units": [2, 3]}, **OPTIONS),
    RandomizedSearchCV(CLASSIFIER, {"units": [2, 3]}, n_iter=1, random_state=0, **OPTIONS),
    BayesSearchCV(REGRESSOR, {"units": (2, 3)}, n_iter=2, random_state=0, **OPTIONS),
    SearchCV(CLASSIFIER, {"units": (2, 3)}, n_iter=2, random_state=0, **OPTIONS),
]

FAILS_IN_SCIKERAS = {
    # its words for another number of features are not scikit-learn's
    "check_n_features_in_after_fitting": "does not check for consistency",
    # it takes sparse matrices, and its tag says that it does not
    "check_estimator_sparse_tag": "didn't fail when fitted on sparse data",
}
"""The checks that do not hold: scikeras' estimators fail them alone, too."""

# its mixins are in an order in which the classifier has no tags of one, which are read then
OF_CLASSIFIERS = dict.fromkeys(
    ("check_estimator_sparse_matrix", "check_estimator_sparse_array"), "fail gracefully"
)

CHECKS = [
    pytest.param(search, check, id=f"{type(search).__name__}-{check.func.__name__}")
    for number, own in enumerate(SEARCHES)
    for place, (search, check) in enumerate(estimator_checks_generator(own))
    if place % len(SEARCHES) == number
]


@pytest.mark.parametrize(("search", "check"), CHECKS)
def test_scikit_learns_checks_pass(search: Any, check: Any) -> None:
    fails = FAILS_IN_SCIKERAS | (OF_CLASSIFIERS if search.estimator is CLASSIFIER else {})
    expected = fails.get(check.func.__name__)
    if expected is None:
        check(search)
    else:
        with pytest.raises(AssertionError, match=expected):
            check(search)
