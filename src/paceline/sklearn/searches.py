"""The four searches, with the arguments of their namesakes."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from scipy.optimize import OptimizeResult
from sklearn import model_selection
from sklearn.model_selection._search import BaseSearchCV

from paceline.core import StudyWarning, checks, shown
from paceline.core.deprecation import depth_of_caller
from paceline.search import Strategy
from paceline.sklearn.candidates import (
    Candidate,
    ParameterSpace,
    of_build,
    of_distributions,
    of_grid,
    of_search_spaces,
)
from paceline.sklearn.network_fits import is_network
from paceline.sklearn.session import SearchSession
from paceline.sklearn.study_search import StudySearch
from paceline.study.plan.default_schedule import in_flight_of

Directory = str | os.PathLike[str] | None


class GridSearchCV(StudySearch, model_selection.GridSearchCV):  # type: ignore[misc]
    """Tries all combinations of values, as scikit-learn's ``GridSearchCV`` does.

    Args:
        estimator, param_grid, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score,
            return_train_score: as in scikit-learn.
        study: the directory of the study, which `fit` continues if it exists; None for a new one
            in the system's temporary folder.

    Attributes:
        study_: the study, with its report.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        study: Directory = None,
    ) -> None:
        """Stores the arguments; they are checked by `fit`."""
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.study = study

    def _candidates(self) -> tuple[ParameterSpace, Sequence[Candidate]]:
        return of_grid(self.param_grid)


class RandomizedSearchCV(StudySearch, model_selection.RandomizedSearchCV):  # type: ignore[misc]
    """Tries values that are drawn at random, as scikit-learn's ``RandomizedSearchCV`` does.

    Args:
        estimator, param_distributions, n_iter, scoring, n_jobs, refit, cv, verbose, pre_dispatch,
            random_state, error_score, return_train_score: as in scikit-learn; the same
            ``random_state`` draws the same candidates as there.
        study: as in `GridSearchCV`.

    Attributes:
        study_: the study, with its report.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        study: Directory = None,
    ) -> None:
        """Stores the arguments; they are checked by `fit`."""
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.study = study

    def _candidates(self) -> tuple[ParameterSpace, Sequence[Candidate]]:
        # without a state of its own, a study that continues draws the same candidates again
        state = self.random_state
        state = self._running.seed if state is None and self.study is not None else state
        return of_distributions(self.param_distributions, self.n_iter, state)


class SearchCV(StudySearch, BaseSearchCV):  # type: ignore[misc]
    """Searches with Paceline's own model, which learns from the candidates so far.

    Args:
        estimator: as in scikit-learn; or a function ``build(hp)``, as for `paceline.tune`.
        space: the values of each parameter by name, or a list of such dicts: a list of values, a
            tuple ``(low, high)`` or ``(low, high, "log-uniform")``, a frozen distribution of
            `scipy.stats`, a dimension of scikit-optimize, or a hyperparameter of Paceline. None for
            all that ``build(hp)`` asks for.
        n_iter: number of candidates.
        cv, scoring, refit, n_jobs, verbose, pre_dispatch, error_score, return_train_score: as in
            scikit-learn.
        random_state: of the candidates, and of networks without one.
        search: the strategy, as in `paceline.tune`.
        study: as in `GridSearchCV`.

    Attributes:
        study_: the study, with its report.
    """

    def __init__(
        self,
        estimator: Any,
        space: Any = None,
        *,
        n_iter: int = 32,
        cv: Any = None,
        scoring: Any = None,
        refit: Any = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        search: str | Strategy = "auto",
        study: Directory = None,
    ) -> None:
        """Stores the arguments; they are checked by `fit`."""
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space, self.n_iter, self.random_state = space, n_iter, random_state
        self.search, self.study = search, study

    def _candidates(self) -> tuple[ParameterSpace, None]:
        checks.whole_number("n_iter", self.n_iter)
        space = self.space
        if space is None and isinstance(getattr(self.estimator, "values", 0), Mapping | None):
            return of_build(self.estimator.build), None
        return of_search_spaces(space)[0], None

    def _strategy(self) -> str | Strategy:
        return self.search

    def _batches(
        self,
        session: SearchSession,
        candidates: Sequence[Candidate],  # noqa: ARG002
    ) -> Iterator[Sequence[Candidate]]:
        return learned_batches(session, self.n_iter, self._batch_size())

    def _batch_size(self) -> int:
        return batch_size(self.estimator, self.n_iter, self.n_jobs, self.n_splits_)


class BayesSearchCV(StudySearch, BaseSearchCV):  # type: ignore[misc]
    """Bayesian search with the arguments of scikit-optimize's ``BayesSearchCV``.

    Args:
        estimator, scoring, refit, cv, verbose, pre_dispatch, random_state, error_score,
            return_train_score, n_jobs: as there.
        search_spaces: as there; several spaces are searched by one model, which decides how many
            candidates each of them gets.
        optimizer_kwargs: accepted without effect, with a warning: Paceline has its own model.
        n_iter: number of candidates, for each of the spaces.
        fit_params: passed to the estimator's ``fit``.
        n_points: how many candidates are proposed at a time; 1 leaves it to Paceline, which
            proposes several where networks train together.
        study: as in `GridSearchCV`.

    Attributes:
        study_: the study, with its report.
        optimizer_results_: a list with one ``scipy.optimize.OptimizeResult``: all candidates
            (``x_iters``, in the order of the sorted names) with their negated scores
            (``func_vals``).
    """

    def __init__(
        self,
        estimator: Any,
        search_spaces: Any,
        optimizer_kwargs: Mapping[str, Any] | None = None,
        n_iter: int = 50,
        scoring: Any = None,
        fit_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = 1,
        n_points: int = 1,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = "raise",
        return_train_score: bool = False,
        study: Directory = None,
    ) -> None:
        """Stores the arguments; they are checked by `fit`."""
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.search_spaces, self.optimizer_kwargs = search_spaces, optimizer_kwargs
        self.n_iter, self.n_points, self.fit_params = n_iter, n_points, fit_params
        self.random_state, self.study = random_state, study

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """As `SearchCV.fit`.

        Args:
            X, y: as there.
            params: as there; besides ``callback``, a function or a list of them. Each is called
                after each batch with an ``OptimizeResult`` and ends the search by returning True.
        """
        if self.optimizer_kwargs:
            warnings.warn(
                f"optimizer_kwargs={shown(dict(self.optimizer_kwargs))} has no effect: Paceline "
                "searches with its own model. SearchCV(search=...) takes another strategy.",
                StudyWarning,
                stacklevel=depth_of_caller(),
            )
        callback = params.pop("callback", None)
        listed = [callback] if callable(callback) else list(callback or ())
        self._callbacks: list[Callable[[Any], Any]] = listed
        self._is_stopped = False
        try:
            return super().fit(X, y, **{**(self.fit_params or {}), **params})
        finally:
            del self._callbacks, self._is_stopped

    @property
    def total_iterations(self) -> int:
        """The number of candidates of all spaces."""
        spaces = self.search_spaces
        listed = [spaces] if isinstance(spaces, Mapping) else spaces
        return sum(one[1] if isinstance(one, tuple) else self.n_iter for one in listed)

    def _candidates(self) -> tuple[ParameterSpace, None]:
        checks.whole_number("n_iter", self.n_iter)
        checks.whole_number("n_points", self.n_points)
        return of_search_spaces(self.search_spaces, lists_are_ranges=True)[0], None

    def _batches(
        self,
        session: SearchSession,
        candidates: Sequence[Candidate],  # noqa: ARG002
    ) -> Iterator[Sequence[Candidate]]:
        size = self.n_points
        if size == 1:
            size = batch_size(self.estimator, self.total_iterations, self.n_jobs, self.n_splits_)
        for batch in learned_batches(session, self.total_iterations, size):
            yield batch
            if self._is_stopped:
                break

    def _evaluated(self, results: dict[str, Any]) -> None:
        """Calls the callbacks with the results so far."""
        metric = self.refit if isinstance(self.refit, str) else "score"
        means = results.get(f"mean_test_{metric}")
        if means is None:
            return
        found = _optimize_result(results["params"], -np.asarray(means))
        self.optimizer_results_ = [found]
        for callback in self._callbacks:
            self._is_stopped |= bool(callback(found))


def _optimize_result(params: Sequence[Mapping[str, Any]], values: Any) -> OptimizeResult:
    names = sorted({name for each in params for name in each})
    tried = [[each.get(name) for name in names] for each in params]
    finite = np.where(np.isfinite(values), values, np.inf)
    best = int(np.argmin(finite))
    result = {"x_iters": tried, "func_vals": values, "x": tried[best]}
    found = OptimizeResult()
    found.update(result, fun=float(values[best]))
    return found


def learned_batches(session: SearchSession, count: int, size: int) -> Iterator[Sequence[Candidate]]:
    """Candidates of earlier sessions, then new ones, each batch learning from those before."""
    done = session.earlier()
    for start in range(0, len(done), size):
        yield done[start : start + size]
    num_done = len(done)
    while num_done < count:
        batch = session.ask(min(size, count - num_done))
        if not batch:
            return
        num_done += len(batch)
        yield batch


def batch_size(estimator: Any, num_candidates: int, n_jobs: int | None, num_splits: int) -> int:
    """How many candidates are fitted before a search learns from them."""
    if is_network(estimator):
        import keras

        return in_flight_of(keras.backend.backend(), True, num_candidates)
    return max(1, int(effective_n_jobs(n_jobs)) // num_splits)
