"""The searches on ordinary estimators: the results of scikit-learn's own, exactly."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from sklearn import clone, config_context, datasets, model_selection
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import paceline
from paceline.core import InvalidInput, StudyMismatch, StudyWarning
from paceline.report.continuation import ways_to_continue
from paceline.report.show import read
from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

X, Y = datasets.load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)


def plainly(params: Any) -> Any:
    """Parameters without scalars of NumPy."""
    kind = np.generic
    return {k: v.item() if isinstance(v, kind) else v for k, v in params.items()}


def assert_same(ours: Any, theirs: Any) -> None:
    """Asserts that two searches have equal results, but for times."""
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    for name, column in theirs.cv_results_.items():
        if name == "params":
            assert str(ours.cv_results_[name]) == str([plainly(params) for params in column])
        elif not name.endswith("_time"):
            assert ours.cv_results_[name].dtype == column.dtype, name
            np.testing.assert_array_equal(ours.cv_results_[name], column, name)
    for name in ("best_params_", "best_score_", "best_index_", "n_splits_", "multimetric_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        if name != "best_params_":  # they are some of the params
            assert getattr(ours, name, None) == getattr(theirs, name, None), name


GRIDS: list[tuple[Any, Any, dict[str, Any]]] = [
    (TREE, {"max_depth": [1, 2, 3], "criterion": ["gini", "entropy"]}, {}),
    (TREE, {"max_depth": [1, None, 2, None], "min_samples_leaf": np.arange(1, 3)}, {"cv": 3}),
    (TREE, [{"max_depth": [1, 2]}, {"max_leaf_nodes": [4, 8], "max_depth": [2, 3]}, {}], {}),
    (TREE, {"max_depth": [2]}, {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"}),
    (TREE, {"max_depth": [1, 3]}, {"scoring": ["accuracy", "f1_macro"], "refit": False}),
    (TREE, {"max_depth": [3, 1]}, {"refit": lambda results: 1, "return_train_score": True}),
    (
        make_pipeline(StandardScaler(), SVC()),
        {"standardscaler": [StandardScaler(), MinMaxScaler()], "svc__C": [0.1, 1.0]},
        {"n_jobs": 1, "cv": model_selection.KFold(3, shuffle=True, random_state=1)},
    ),
    (
        MLPClassifier(max_iter=2, random_state=0),
        {"hidden_layer_sizes": [(3,), (3, 4)]},
        {"cv": [(np.arange(0, 150, 2), np.arange(1, 150, 2))]},
    ),
]


@pytest.mark.parametrize(("estimator", "grid", "options"), GRIDS)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_grid_has_the_results_of_scikit_learn(
    estimator: Any, grid: Any, options: dict[str, Any]
) -> None:
    ours = GridSearchCV(estimator, grid, **options).fit(X, Y)
    assert_same(ours, model_selection.GridSearchCV(estimator, grid, **options).fit(X, Y))


DISTRIBUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    (TREE, {"max_depth": range(1, 9), "criterion": ["gini", "entropy"]}, {"n_iter": 5}),
    (SVC(), {"C": scipy.stats.loguniform(1e-2, 1e2), "kernel": ["rbf", "linear"]}, {}),
    (SVC(), {"C": scipy.stats.expon(), "gamma": scipy.stats.lognorm(1.0)}, {"n_iter": 4}),
    (
        TREE,
        [
            {"max_depth": scipy.stats.randint(1, 9), "splitter": ["best"]},
            {"min_samples_leaf": scipy.stats.uniform(0.01, 0.3)},
        ],
        {"n_iter": 6, "cv": 3},
    ),
]


@pytest.mark.parametrize(("estimator", "distributions", "options"), DISTRIBUTIONS)
def test_a_random_search_draws_what_scikit_learn_draws(
    estimator: Any, distributions: Any, options: dict[str, Any]
) -> None:
    options = {"random_state": 7, **options}
    ours = RandomizedSearchCV(estimator, distributions, **options).fit(X, Y)
    theirs = model_selection.RandomizedSearchCV(estimator, distributions, **options).fit(X, Y)
    assert_same(ours, theirs)


def test_random_states_are_used_as_by_scikit_learn() -> None:
    found = []
    for kind in (RandomizedSearchCV, model_selection.RandomizedSearchCV):
        for state in (None, np.random.RandomState(3)):
            np.random.seed(11)
            search = kind(TREE, {"max_depth": scipy.stats.randint(1, 50)}, random_state=state)
            found.append([search.fit(X, Y).cv_results_["params"], np.random.randint(10**6)])
    assert found[:2] == found[2:]


def test_groups_and_weights_are_divided_with_the_rows() -> None:
    groups, weight = np.arange(len(Y)) % 7, np.linspace(0.1, 2, len(Y))
    options = {"cv": model_selection.GroupKFold(3)}
    with warnings.catch_warnings(action="ignore"):
        ours, theirs = (
            kind(TREE, {"max_depth": [1, 2]}, **options).fit(
                X, Y, groups=groups, sample_weight=weight
            )
            for kind in (GridSearchCV, model_selection.GridSearchCV)
        )
    assert_same(ours, theirs)
    with config_context(enable_metadata_routing=True):
        estimator = clone(TREE).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        ours, theirs = (
            kind(estimator, {"max_depth": [1, 2]}, **options).fit(
                X, Y, groups=groups, sample_weight=weight
            )
            for kind in (GridSearchCV, model_selection.GridSearchCV)
        )
    assert_same(ours, theirs)


def test_frames_sparse_matrices_and_several_outputs() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    search = GridSearchCV(TREE, {"max_depth": [1, 2]}).fit(frame, Y)
    assert list(search.feature_names_in_) == list("abcd")
    sparse = scipy.sparse.csr_matrix(X)
    targets = np.stack([Y, 1.0 - Y], axis=1)
    assert_same(
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}).fit(sparse, targets),
        model_selection.GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}).fit(sparse, targets),
    )


def test_the_best_estimator_predicts_and_the_search_is_copied_and_pickled() -> None:
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.01, 1.0]})
    with pytest.raises(NotFittedError):
        search.predict(X)
    with pytest.raises(NotFittedError):
        search.study_  # noqa: B018
    search.fit(X, Y)
    for each in (search, pickle.loads(pickle.dumps(search))):
        np.testing.assert_array_equal(
            each.predict_proba(X), search.best_estimator_.predict_proba(X)
        )
        assert each.score(X, Y) == search.best_estimator_.score(X, Y)
        assert list(each.classes_) == [0, 1, 2]
        assert each.n_features_in_ == 4
        assert each.refit_time_ >= 0
        assert [one.score for one in each.study_.trials] == list(
            each.cv_results_["mean_test_score"]
        )
    copied = clone(search).set_params(estimator__C=3.0, study=None)
    assert copied.get_params()["estimator__C"] == 3.0
    assert not hasattr(copied, "cv_results_")
    assert "GridSearchCV" in search._repr_html_()


@pytest.mark.exhaustive  # processes start slowly
def test_processes_fit_as_one_does() -> None:
    estimator = RandomForestClassifier(n_estimators=3, random_state=0)
    grid = {"max_depth": [1, 2], "n_jobs": [2]}
    ours = GridSearchCV(estimator, grid, cv=2, n_jobs=2).fit(X, Y)
    assert_same(ours, model_selection.GridSearchCV(estimator, grid, cv=2).fit(X, Y))


def test_fits_that_fail_are_treated_as_by_scikit_learn() -> None:
    grid = {"max_depth": [1, -1, 2]}
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        ours = GridSearchCV(TREE, grid, cv=2).fit(X, Y)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        theirs = model_selection.GridSearchCV(TREE, grid, cv=2).fit(X, Y)
    assert_same(ours, theirs)
    assert [str(trial.state) for trial in ours.study_.trials] == [
        "completed",
        "failed",
        "completed",
    ]
    with pytest.warns(FitFailedWarning):
        assert (
            GridSearchCV(TREE, grid, cv=2, error_score=0.0)
            .fit(X, Y)
            .cv_results_["mean_test_score"][1]
            == 0
        )
    with pytest.raises(ValueError, match="max_depth"):
        GridSearchCV(TREE, grid, cv=2, error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        GridSearchCV(TREE, {"max_depth": [-1, -2]}, cv=2).fit(X, Y)


def test_bad_input_has_the_errors_of_scikit_learn() -> None:
    with pytest.raises(ValueError, match="cv"):
        GridSearchCV(TREE, {"max_depth": [1]}, cv="many").fit(X, Y)
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        GridSearchCV(TREE, {"depth": [1]}).fit(X, Y)
    with pytest.raises(TypeError, match="max_depth"):
        GridSearchCV(TREE, {"max_depth": 1}).fit(X, Y)
    with pytest.raises(ValueError, match="groups"):
        GridSearchCV(TREE, {"max_depth": [1]}, cv=model_selection.GroupKFold(2)).fit(X, Y)
    with pytest.raises(ValueError, match="refit"):
        GridSearchCV(TREE, {"max_depth": [1]}, scoring=["accuracy", "f1_macro"]).fit(X, Y)
    for kind in (SearchCV, BayesSearchCV):
        spaces: list[Any] = [
            {"max_depth": 3},
            {"max_depth": []},
            [],
            {"max_depth": scipy.stats.norm},
        ]
        for space in spaces:
            with pytest.raises(InvalidInput, match=r"search space|values|distribution"):
                kind(TREE, space).fit(X, Y)


SPACES: list[Any] = [
    {"max_depth": (1, 8), "min_samples_leaf": (0.01, 0.5, "log-uniform"), "criterion": ["gini"]},
    {"max_depth": scipy.stats.randint(1, 9), "ccp_alpha": scipy.stats.loguniform(1e-4, 1e-1)},
    {"max_depth": paceline.Int(1, 8), "max_features": [None, "sqrt", 2]},
    [{"max_depth": (1, 8)}, {"max_leaf_nodes": (4, 20)}],
]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", [SearchCV, BayesSearchCV])
def test_searches_that_learn_propose_values_of_the_space(kind: Any, space: Any) -> None:
    runs = [kind(TREE, space, n_iter=6, cv=2, random_state=5).fit(X, Y) for _ in range(2)]
    count = 12 if kind is BayesSearchCV and isinstance(space, list) else 6
    results = runs[0].cv_results_
    assert len(results["params"]) == count
    assert results["params"] == runs[1].cv_results_["params"]
    assert len({repr(each) for each in results["params"]}) == count
    for params in results["params"]:
        assert 1 <= params.get("max_depth", 1) <= 8
        assert all(value is None or type(value) in (int, float, str) for value in params.values())
    assert runs[0].best_score_ == results["mean_test_score"].max() > 0.6


def test_the_results_of_the_optimizer_and_its_callbacks() -> None:
    seen: list[Any] = []
    search = BayesSearchCV(
        TREE, {"max_depth": [1, 9]}, {"base_estimator": "GP"}, n_iter=8, cv=2, random_state=0
    )
    with pytest.warns(StudyWarning, match="optimizer_kwargs"):
        search.fit(X, Y, callback=[seen.append, lambda _: len(seen) == 3])
    assert len(seen) == len(search.cv_results_["params"]) == 3
    (found,) = search.optimizer_results_
    assert -found.fun == search.best_score_
    assert found.x == [search.best_params_["max_depth"]]


def test_a_regression_with_a_transformed_target() -> None:
    data = datasets.load_diabetes(return_X_y=True)
    estimator = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
    grid = {"regressor__alpha": [0.1, 1.0]}
    options = {"cv": model_selection.TimeSeriesSplit(3), "scoring": "neg_mean_absolute_error"}
    assert_same(
        GridSearchCV(estimator, grid, **options).fit(*data),
        model_selection.GridSearchCV(estimator, grid, **options).fit(*data),
    )


class Counted(DecisionTreeClassifier):  # type: ignore[misc]
    """Counts its fits, and can be interrupted."""

    fits: list[Any] = []  # noqa: RUF012 - of the class
    stops_at = 10**6

    def fit(self, *args: Any, **given: Any) -> Any:
        if len(self.fits) == self.stops_at:
            raise KeyboardInterrupt
        self.fits.append(self.get_params())
        return super().fit(*args, **given)


@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV, BayesSearchCV, SearchCV])
def test_a_search_goes_on_where_it_was_interrupted(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"max_depth": [1, 2, 3, 4, 5, 6]}
    options: dict[str, Any] = {"cv": 2, "study": tmp_path / "s", "return_train_score": True}
    if kind is not GridSearchCV:
        options |= {"n_iter": 5}
    monkeypatch.setattr(Counted, "fits", [])
    monkeypatch.setattr(Counted, "stops_at", 5)
    with pytest.raises(KeyboardInterrupt):
        kind(Counted(random_state=0), values, **options).fit(X, Y)
    summary = read(tmp_path / "s")
    assert summary.state == "interrupted"
    assert list(ways_to_continue(summary)) == [
        f"Continue in Python: call fit of the {kind.__name__} of Counted again, with the same "
        f"arguments and study={str(tmp_path / 's')!r}"
    ]
    monkeypatch.setattr(Counted, "stops_at", 10**6)
    search = kind(Counted(random_state=0), values, **options).fit(X, Y)
    assert read(tmp_path / "s").state == "finished"
    count = len(search.cv_results_["params"])
    assert count == (6 if kind is GridSearchCV else 5)
    assert len({each["max_depth"] for each in search.cv_results_["params"]}) == count
    # two candidates were complete; the fifth fit was lost; one is the refit
    assert len(Counted.fits) == 5 + 2 * count - 4 + 1
    tried = {"max_depth": [each["max_depth"] for each in search.cv_results_["params"]]}
    theirs = model_selection.GridSearchCV(TREE, tried, cv=2, return_train_score=True).fit(X, Y)
    for name in ("mean_test_score", "std_test_score", "split1_train_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], theirs.cv_results_[name])
    assert [trial.scores for trial in search.study_.trials] == [
        tuple(pair)
        for pair in zip(
            theirs.cv_results_["split0_test_score"],
            theirs.cv_results_["split1_test_score"],
            strict=True,
        )
    ]


def test_a_study_of_other_data_is_refused(tmp_path: Path) -> None:
    def fit(values: Any, y: Any, **other: Any) -> Any:
        options: dict[str, Any] = {"cv": 2, "study": tmp_path / "s", **other}
        return GridSearchCV(TREE, {"max_depth": values}, **options).fit(X, y)

    fit([1, 2], Y)
    with pytest.raises(StudyMismatch, match=r"^the search has another X or y; .*cross_val_score"):
        fit([1, 2], 1 - Y)
    with pytest.raises(StudyMismatch, match=r"another cv and another scoring; expected what"):
        fit([1, 2], Y, cv=3, scoring="f1_macro")
    with pytest.raises(
        StudyMismatch, match=r"^the space differs in max_depth .*as study"
    ) as caught:
        fit([1, 2, 3], Y)
    assert "change_space" not in str(caught.value)
    assert "cross_val_score" not in str(caught.value)


def test_the_report_shows_the_scores_of_the_folds(tmp_path: Path) -> None:
    search = GridSearchCV(TREE, {"max_depth": [1, 2, 3]}, study=tmp_path / "s").fit(X, Y)
    text = Path(search.study_.report()).read_text(encoding="utf-8")
    assert "max_depth" in text
    assert search.study_.best.config == search.best_params_
    assert search.study_.best.standard_error == pytest.approx(
        search.cv_results_["std_test_score"][search.best_index_] / 2
    )


@pytest.mark.parametrize("prior", ["log", "loguniform"])
def test_unknown_priors_are_refused(prior: str) -> None:
    with pytest.raises(InvalidInput, match="'uniform' or 'log-uniform'"):
        SearchCV(Ridge(), {"alpha": (0.1, 1.0, prior)}).fit(np.eye(6), np.arange(6))
