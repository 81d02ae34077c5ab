"""scikit-learn's own checks of estimators, on the searches around an ordinary and a Keras estimator."""

from typing import Any

import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

pytestmark = [
    pytest.mark.exhaustive,
    # of scikit-learn's checks themselves, also for its own searches
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:sklearn"),
]

CLASSIFIER, REGRESSOR = LogisticRegression(max_iter=20), Ridge()

SEARCHES: list[Any] = [
    GridSearchCV(CLASSIFIER, {"C": [0.1, 1.0]}, cv=2, error_score="raise"),
    GridSearchCV(REGRESSOR, {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"),
    RandomizedSearchCV(
        CLASSIFIER, {"C": scipy.stats.loguniform(0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0
    ),
    RandomizedSearchCV(
        REGRESSOR, {"alpha": scipy.stats.uniform(0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0
    ),
    BayesSearchCV(
        CLASSIFIER, {"C": (0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0
    ),
    BayesSearchCV(REGRESSOR, {"alpha": (0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0),
    SearchCV(CLASSIFIER, {"C": (0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0),
    SearchCV(REGRESSOR, {"alpha": (0.1, 1.0)}, n_iter=2, cv=2, error_score="raise", random_state=0),
]



def expected_failures(_: Any) -> dict[str, str]:
    """Those that scikit-learn has for its own `GridSearchCV` and `RandomizedSearchCV`."""
    return {
        "check_supervised_y_2d": "DataConversionWarning not caught",
        "check_requires_y_none": "Doesn't fail gracefully",
    }


@parametrize_with_checks(SEARCHES, expected_failed_checks=expected_failures)
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)
