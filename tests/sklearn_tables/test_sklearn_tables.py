"""`PacelineClassifier` and `PacelineRegressor`: tables in, tuned networks out, by scikit-learn's
rules.
"""

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.utils import estimator_checks

from paceline.core import InvalidInput, StudyWarning
from paceline.sklearn import PacelineClassifier, PacelineRegressor

QUICK: dict[str, Any] = {
    "trials": 1,
    "final": False,
    "fixed": {"layers": 1, "units": 64, "embedding": 4},
    "random_state": 0,
}
RANDOM = np.random.default_rng(0)
ROWS = 160


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies without a directory of their own are kept in the test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def people() -> pd.DataFrame:
    """Numbers, booleans, texts, categories and dates, with missing values."""
    frame = pd.DataFrame(
        {
            "age": RANDOM.integers(18, 80, ROWS).astype(float),
            "member": RANDOM.integers(0, 2, ROWS).astype(bool),
            "town": RANDOM.choice(["Bern", "Oslo", "Rome"], ROWS),
            "size": pd.Categorical(RANDOM.choice(["S", "M", "L"], ROWS)),
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(RANDOM.integers(0, 900, ROWS), "D"),
        }
    )
    frame.loc[::9, ["age", "town"]] = [np.nan, None]
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def labels(frame: pd.DataFrame) -> Any:
    return np.where(frame["member"] ^ (frame["town"] == "Oslo"), "buys", "looks")


@pytest.fixture(scope="module")
def classifier(
    frame: pd.DataFrame, labels: Any, tmp_path_factory: pytest.TempPathFactory
) -> PacelineClassifier:
    directory = tmp_path_factory.mktemp("classifier") / "study"
    return PacelineClassifier(**QUICK, epochs=40, study=directory).fit(frame, labels)


def test_a_table_of_mixed_columns_is_learnt(
    classifier: PacelineClassifier, frame: pd.DataFrame, labels: Any
) -> None:
    assert classifier.score(frame, labels) > 0.9
    np.testing.assert_array_equal(classifier.classes_, ["buys", "looks"])
    assert classifier.n_features_in_ == 5
    assert list(classifier.feature_names_in_) == list(frame.columns)
    probabilities = classifier.predict_proba(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert classifier.predict(frame.head(1)).shape == (1,)
    assert dict(classifier.study_.best.config) == classifier.best_params_
    assert classifier.best_params_["units"] == 64
    new = frame.head(2).assign(town=["Atlantis", np.nan], size=np.nan)
    assert np.isfinite(classifier.predict_proba(new)).all()


def test_a_pickled_estimator_predicts_the_same_without_its_study(
    classifier: PacelineClassifier, frame: pd.DataFrame
) -> None:
    restored = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(restored.predict_proba(frame), classifier.predict_proba(frame))
    assert restored.study_.best.number == classifier.study_.best.number
    restored._study, restored._directory = None, Path("gone")
    with pytest.raises(InvalidInput, match="gone"):
        _ = restored.study_
    again = clone(restored)
    assert again.get_params() == classifier.get_params()
    assert not hasattr(again, "classes_")


def test_values_that_are_not_of_their_column_s_kind_are_missing_with_a_warning(
    classifier: PacelineClassifier, frame: pd.DataFrame
) -> None:
    odd = frame.head(3).assign(age=["old", "", "?"], since=["soon", "2021-03-01", "late"])
    missing = frame.head(3).assign(
        age=np.nan, since=np.array(["NaT", "2021-03-01", "NaT"], "datetime64[ns]")
    )
    says = "1 value of 'age' is not a finite number; 2 values of 'since' are not dates"
    with pytest.warns(StudyWarning, match=f"^{says}: treated as missing.$") as caught:
        found = classifier.predict_proba(odd)
    assert [one.filename for one in caught] == [__file__]
    np.testing.assert_array_equal(found, classifier.predict_proba(missing))


@pytest.mark.exhaustive
def test_neither_order_nor_repetition_of_rows_changes_the_result(frame: pd.DataFrame) -> None:
    x, y = frame[["age", "town"]].head(40), np.arange(40) % 3
    order = RANDOM.permutation(40)
    weight = RANDOM.integers(0, 3, 40)
    chosen = np.repeat(order, weight[order])
    one = PacelineClassifier(**QUICK, epochs=1).fit(x.iloc[chosen], y[chosen])
    other = PacelineClassifier(**QUICK, epochs=1).fit(x, y, sample_weight=weight)
    np.testing.assert_array_equal(one.predict_proba(x), other.predict_proba(x))


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.ones((6, 2)), ["a"] * 6, "^y has one class, a; expected at least two classes"),
        (np.ones((6, 2)), np.linspace(0, 1, 6), "continuous"),
        (np.full((6, 2), np.inf), np.arange(6) % 2, "infinity"),
        (pd.DataFrame({"a": [1.0, np.inf, 2.0]}), [0, 1, 0], "infinity in column 'a'"),
        (np.ones((6, 2)), np.arange(5) % 2, "inconsistent numbers of samples"),
        (np.ones((1, 2)), [0], "one class"),
        (
            pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]),
            [0, 1],
            "^X has more than one column named a;",
        ),
        (pd.DataFrame({"a": [{}, []]}), [0, 1], "numbers, texts, categories or dates"),
        (pd.DataFrame({"a": pd.array([None, np.inf], "Float64")}), [0, 1], "infinity in column"),
        (np.ones((4, 2)), [0, 1, np.nan, 1], "NaN"),
        (np.ones((4, 2)), np.array(["a", None, "b", None], object), "None in 2 of 4 .* is row 1;"),
    ],
)
def test_what_cannot_be_learnt_is_refused(x: Any, y: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PacelineClassifier(**QUICK).fit(x, y)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (pd.date_range("2020", periods=6), "y is an array of dates; expected numbers"),
        (pd.to_timedelta(np.arange(6), "D"), "y is an array of durations"),
        ([1.0, None, 2.0, 3.0, 4.0, 5.0], "None in 1 of 6 rows|NaN"),
        (np.arange(6) * 1e30, r"target .* is as large as 5e\+30; expected at most 1e\+18"),
    ],
)
def test_what_is_no_number_to_learn_is_refused(y: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PacelineRegressor(**QUICK).fit(np.arange(12.0).reshape(6, 2), y)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "y",
    [
        np.array(["no", "yes", "maybe"])[np.arange(60) % 3],
        np.arange(60) % 3 > 0,
        np.array([-7, 2, 500])[np.arange(60) % 3],
        pd.Series(pd.Categorical(np.array(["b", "a"])[np.arange(60) % 2]), index=range(5, 65)),
    ],
    ids=["texts", "booleans", "whole numbers with gaps", "a categorical series"],
)
def test_labels_of_any_type_come_back(y: Any) -> None:
    x = np.column_stack([np.asarray(pd.factorize(y, sort=True)[0]), np.arange(60) % 7])
    model = PacelineClassifier(**QUICK, epochs=60).fit(x, y)
    assert model.classes_.dtype == np.unique(np.asarray(y)).dtype
    assert np.mean(model.predict(x) == np.asarray(y)) > 0.9


@pytest.mark.exhaustive
def test_amounts_far_from_zero_are_predicted_in_their_own_unit(frame: pd.DataFrame) -> None:
    y = 100_000 + 900 * frame["age"].fillna(45) + 20_000 * (frame["town"] == "Oslo")
    model = PacelineRegressor(**QUICK, epochs=40).fit(frame, y)
    assert model.score(frame, y) > 0.8
    few = PacelineRegressor(**QUICK, epochs=1).fit(frame, y, sample_weight=np.ones(ROWS))
    assert few.predict(frame).shape == (ROWS,)


@pytest.mark.exhaustive
def test_iris_with_the_default_arguments_but_few_trials() -> None:
    x, y = load_iris(return_X_y=True, as_frame=True)
    model = PacelineClassifier(trials=3, final=False, random_state=1).fit(x[::2], y[::2])
    assert model.score(x[1::2], y[1::2]) > 0.9


@pytest.mark.parametrize("kind", [PacelineClassifier, PacelineRegressor])
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimators_unfitted,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
)
def test_scikit_learn_s_checks_without_a_fit_pass(kind: Any, check: Any) -> None:
    check(kind.__name__, kind(**QUICK))


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")  # the checks' own
@pytest.mark.parametrize("kind", [PacelineClassifier, PacelineRegressor])
def test_all_of_scikit_learn_s_checks_pass(kind: Any) -> None:
    """About sixty fits each; one check skips itself where SCIPY_ARRAY_API is not set."""
    fixed = {"layers": 1, "units": 32, "activation": "relu", "batch_norm": False}
    estimator = kind(
        "mlp",
        trials=1,
        final=False,
        epochs=30,
        fixed={**fixed, "optimizer": "adam", "learning_rate": 0.01},
        options={"refit": False},
        random_state=0,
    )
    found = estimator_checks.check_estimator(estimator, on_skip=None)
    skipped = {check["check_name"] for check in found if check["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_zero_is_not_the_default(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(InvalidInput, match=f"{name} is 0"):
        PacelineRegressor(**QUICK, **given).fit(np.arange(20.0)[:, None], np.arange(20.0))
