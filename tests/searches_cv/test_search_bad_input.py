"""Bad input of the searches has the errors of scikit-learn's own, and leaves no study behind."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from paceline.core import InvalidInput
from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

X = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5]).astype("float32")


def network(units: int = 2, rate: float = 0.01) -> keras.Model:
    if units == 13:
        raise ValueError("13 units are too many")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def of_keras(**given: Any) -> Any:
    wrappers = pytest.importorskip("scikeras.wrappers")
    options = {"model__units": 2, "epochs": 1, "batch_size": 15, "verbose": 0, "random_state": 0}
    return wrappers.KerasRegressor(network, **{**options, **given})


def with_nan(values: Any) -> Any:
    values = values.copy()
    values[4] = np.nan
    return values


Case = tuple[Any, Any, dict[str, Any]]
"""Inputs, targets and arguments of a search."""

CASES: dict[str, Callable[[str], Case]] = {
    "NaN in y": lambda _: (X, with_nan(Y), {}),
    "NaN in X": lambda _: (with_nan(X), Y, {}),
    "y too short": lambda _: (X, Y[:-1], {}),
    "more folds than rows": lambda _: (X, Y, {"cv": 31}),
    "one fold": lambda _: (X, Y, {"cv": 1}),
    "groups without groups": lambda _: (X, Y, {"cv": model_selection.GroupKFold(2)}),
    "refit is no metric": lambda _: (X, Y, {"scoring": ["r2", "max_error"], "refit": "mae"}),
    "unknown scoring": lambda _: (X, Y, {"scoring": "accuracies"}),
    "error_score": lambda _: (X, Y, {"error_score": "none"}),
    "no values": lambda name: (X, Y, {"param_grid": {name: []}}),
    "one value": lambda name: (X, Y, {"param_grid": {name: 3}}),
    "unknown parameter": lambda name: (X, Y, {"param_grid": {f"{name[:-1]}w": [3]}}),
}


def raised(search: Any, inputs: Any, targets: Any) -> Exception:
    with warnings.catch_warnings(action="ignore"):
        try:
            search.fit(inputs, targets)
        except Exception as error:
            return error
    raise AssertionError("nothing was raised")


def assert_same_error(estimator: Any, name: str, case: str, study: Path) -> None:
    inputs, targets, options = CASES[case](name)
    options = {"param_grid": {name: [2, 3]}, "cv": 3, **options}
    theirs = raised(model_selection.GridSearchCV(estimator, **options), inputs, targets)
    ours = raised(GridSearchCV(estimator, **options, study=study), inputs, targets)
    assert type(ours) is type(theirs)
    plain = [str(one) for one in (ours, theirs)]
    if case == "unknown parameter":
        assert f"Did you mean {name!r}?" in plain[0]
        plain[0] = plain[0].removesuffix(f" Did you mean {name!r}?")
    assert plain[0] == plain[1]
    assert study.exists() == case.startswith("NaN")  # of which some fits fail


@pytest.mark.parametrize("case", CASES)
def test_the_errors_are_those_of_scikit_learn(case: str, tmp_path: Path) -> None:
    assert_same_error(Ridge(), "alpha", case, tmp_path / "s")


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES)
def test_the_errors_around_a_network_are_those_of_scikit_learn(case: str, tmp_path: Path) -> None:
    name = "epochs" if case == "unknown parameter" else "model__units"  # others are only routed
    assert_same_error(of_keras(), name, case, tmp_path / "s")


@pytest.mark.parametrize("kind", [RandomizedSearchCV, SearchCV, BayesSearchCV])
def test_a_misspelled_parameter_is_refused_before_anything_is_fitted(
    kind: Any, tmp_path: Path
) -> None:
    estimator = make_pipeline(StandardScaler(), DecisionTreeRegressor())
    space = {"decisiontreeregressor__max_dept": [1, 2], "standardscaler__with_mean": [True]}
    search = kind(estimator, space, n_iter=2, study=tmp_path / "s")
    with pytest.raises(ValueError, match=r"Invalid parameter 'max_dept'.*__max_depth'\?$"):
        search.fit(X, Y)
    assert not (tmp_path / "s").exists()
    # the right one has the same directory
    right = {"decisiontreeregressor__max_depth": [1, 2]}
    kind(estimator, right, n_iter=2, cv=2, study=tmp_path / "s").fit(X, Y)


@pytest.mark.exhaustive
def test_a_network_that_cannot_be_built_has_the_error_score() -> None:
    found = []
    for kind in (GridSearchCV, model_selection.GridSearchCV):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search = kind(of_keras(), {"model__units": [2, 13, 3]}, cv=2, error_score=-9.0)
            search.fit(X, Y)
        said = [str(one.message) for one in caught if "fits failed" in str(one.message)]
        assert "2 fits failed out of a total of 6" in said[0]
        assert "13 units are too many" in said[0]
        found.append(search.cv_results_["mean_test_score"])
    assert found[0][1] == -9.0
    np.testing.assert_allclose(found[0], found[1], 1e-4)
    with pytest.raises(ValueError, match="13 units are too many"):
        GridSearchCV(of_keras(), {"model__units": [2, 13]}, cv=2, error_score="raise").fit(X, Y)


def _raises(hp: Any) -> keras.Model:
    raise RuntimeError("no such layer")


def _not_compiled(hp: Any) -> keras.Model:
    return keras.Sequential([keras.layers.Dense(hp.Int("units", 1, 4))])


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (_raises, RuntimeError, "no such layer"),
        (lambda hp: None, InvalidInput, r"returned NoneType; expected a compiled keras\.Model"),
        (_not_compiled, InvalidInput, "is not compiled with an optimizer"),
    ],
)
def test_a_search_around_a_build_that_gives_no_model_is_as_before(
    build: Any, error: type[Exception], says: str
) -> None:
    search = SearchCV(build, n_iter=2, cv=2)
    before = dict(vars(search))
    with pytest.raises(error, match=says):
        search.fit(X, np.arange(30))
    assert vars(search) == before


class Refuses(Ridge):  # type: ignore[misc]
    """Cannot be fitted with some values."""

    def fit(self, *args: Any, **given: Any) -> Any:
        if self.alpha < 0.5:
            raise ValueError("alpha is too small")
        return super().fit(*args, **given)


@pytest.mark.filterwarnings("ignore")  # of fits that failed
@pytest.mark.parametrize("kind", [SearchCV, BayesSearchCV])
def test_a_search_that_learns_goes_on_after_candidates_that_fail(kind: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"n_iter": 8, "cv": 2, "random_state": 0, "error_score": np.nan}
    search = kind(Refuses(), {"alpha": (0.0, 1.0)}, **options, study=tmp_path / "s").fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    alphas = [params["alpha"] for params in search.cv_results_["params"]]
    assert len(alphas) == 8
    np.testing.assert_array_equal(np.isnan(scores), np.array(alphas) < 0.5)
    assert 0 < np.isnan(scores).sum() < 8
    again = kind(Refuses(), {"alpha": (0.0, 1.0)}, **options, study=tmp_path / "s").fit(X, Y)
    np.testing.assert_array_equal(again.cv_results_["mean_test_score"], scores)
    assert again.cv_results_["params"] == search.cv_results_["params"]
    with pytest.raises(ValueError, match="fits failed"):
        kind(Refuses(), {"alpha": (0.0, 0.4)}, **options).fit(X, Y)


class RefusesFirst(Ridge):  # type: ignore[misc]
    """Cannot be fitted with the first value that it is given."""

    fitted: ClassVar[list[float]] = []

    def fit(self, *args: Any, **given: Any) -> Any:
        self.fitted.append(self.alpha)
        if self.alpha == self.fitted[0]:
            raise ValueError("the first one")
        return super().fit(*args, **given)


@pytest.mark.filterwarnings("ignore")  # of fits that failed
def test_a_failure_is_that_of_its_own_candidate() -> None:
    RefusesFirst.fitted.clear()
    search = SearchCV(
        RefusesFirst(), {"alpha": (0.0, 1.0)}, n_iter=20, cv=2, random_state=0, error_score=np.nan
    )
    search.fit(X, Y)
    alphas = [params["alpha"] for params in search.cv_results_["params"]]
    assert set(alphas) <= set(RefusesFirst.fitted)
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert [a for a, is_nan in zip(alphas, failed, strict=True) if is_nan] == alphas[:1]
