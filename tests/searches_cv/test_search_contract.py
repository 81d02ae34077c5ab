"""scikit-learn's own checks of estimators, on the searches."""

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

# as scikit-learn runs them: its own checks and estimators warn
pytestmark = [pytest.mark.exhaustive, pytest.mark.filterwarnings("default")]

CLASSIFIER, REGRESSOR = LogisticRegression(max_iter=20), Ridge()

SEARCHES: list[Any] = [
    GridSearchCV(CLASSIFIER, {"C": [0.1, 1.0]}, cv=2, error_score="raise"),
    RandomizedSearchCV(
        REGRESSOR,
        {"alpha": [0.1, 0.5, 1.0]},  # a distribution's text is another one in each process
        n_iter=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ),
    BayesSearchCV(REGRESSOR, {"alpha": (0.1, 1.0)}, n_iter=2, cv=2, random_state=0),
    SearchCV(CLASSIFIER, {"C": (0.1, 1.0)}, n_iter=2, cv=2, random_state=0, error_score="raise"),
]


def expected_failures(search: Any) -> dict[str, str]:
    """Of those that scikit-learn expects of its own searches, the one that occurs here."""
    is_expected = search.estimator is REGRESSOR
    return {"check_supervised_y_2d": "DataConversionWarning not caught"} if is_expected else {}


@parametrize_with_checks(SEARCHES, expected_failed_checks=expected_failures)  # type: ignore[untyped-decorator]
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)
