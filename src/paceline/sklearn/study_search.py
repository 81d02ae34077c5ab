"""The common part of the four searches: scikit-learn's own ``fit``, with a study behind it.

scikit-learn splits the data, clones, scores, ranks and fits the best candidate again. It hands the
fits to joblib, where a backend of ours takes them (`paceline.sklearn.joblib_backend`).
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from paceline.core.process_state import fewer_collections
from paceline.data.folds import name_of
from paceline.report import Study
from paceline.search import Strategy
from paceline.settings.function import ASKED
from paceline.sklearn.candidates import Candidate, ParameterSpace, check_names
from paceline.sklearn.evaluation import FitRunner
from paceline.sklearn.joblib_backend import Call, CollectingBackend
from paceline.sklearn.network_fits import NetworkFits, is_network
from paceline.sklearn.session import SearchSession
from paceline.store import study_directory
from paceline.study.resume.existing import Existing

_OF_FIT = ("_running", "_callbacks", "_is_stopped")

Evaluate = Callable[..., dict[str, Any]]
"""scikit-learn's function that fits candidates and returns the results so far."""


@dataclass(eq=False)
class _Running:
    """The state of a call of ``fit``.

    Attributes:
        directory: that of the study.
        seed: of the study.
        about: of the study: a name, and a fingerprint of estimator, data and folds.
        backend: while it is open, joblib uses our backend.
        refit: while it is open, the best candidate is fitted again.
        runner: runs the fits; None before the search begins.
    """

    directory: Path
    seed: int
    about: tuple[str, str]
    backend: ExitStack = field(default_factory=ExitStack)
    refit: ExitStack = field(default_factory=ExitStack)
    runner: FitRunner | None = None

    def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Runs the fits that scikit-learn hands to joblib."""
        if self.runner is None:
            return [function(*args, **kwargs) for function, args, kwargs in calls]
        return self.runner(calls)


class StudySearch:
    """A search of scikit-learn whose candidates are trials of a study."""

    study: str | os.PathLike[str] | None
    estimator: Any
    verbose: Any
    _running: _Running

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fits all candidates on all folds, and the best one on all rows.

        Args:
            X: the inputs.
            y: the targets.
            params: passed to the estimator's ``fit``, and ``groups`` to the folds, as in
                scikit-learn.

        Returns:
            The search itself.

        Raises:
            ValueError: as in scikit-learn: invalid arguments, or all fits failed.
            StudyMismatch: the directory holds a study of something else.
            StudyLocked: another process is writing it.
        """
        self._running = running = self._begin(X, y)
        given = self.estimator
        try:
            if _is_build(given):
                from paceline.sklearn.build_estimators import estimator_of

                self.estimator = estimator_of(given, y)
            config = joblib.parallel_config(backend=CollectingBackend(running.run))
            running.backend.callback(config.unregister)
            with fewer_collections() if is_network(self.estimator) else nullcontext():
                return super().fit(X, y, **params)  # type: ignore[misc]
        finally:
            running.backend.close()
            running.refit.close()
            self.estimator = given
            del self._running

    def __sklearn_tags__(self) -> Any:
        """Those of scikit-learn's searches; of the best estimator around a function."""
        given = self.estimator
        if not _is_build(given):
            return super().__sklearn_tags__()  # type: ignore[misc]
        self.estimator = getattr(self, "best_estimator_", None) or BaseEstimator()
        try:
            return super().__sklearn_tags__()  # type: ignore[misc]
        finally:
            self.estimator = given

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to a call of ``fit``: its processes get a copy of the search."""
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name not in _OF_FIT}

    @property
    def study_(self) -> Study:
        """The study of the last `fit`: its trials, their scores on the folds, its report.

        Raises:
            NotFittedError: there was none.
        """
        check_is_fitted(self, "study_directory_")
        return Study.open(self.study_directory_)

    def _candidates(self) -> tuple[ParameterSpace, Sequence[Candidate] | None]:
        """The search space, and all candidates unless the study proposes them."""
        raise NotImplementedError

    def _strategy(self) -> str | Strategy:
        """How the study proposes candidates."""
        return "auto"

    def _batches(
        self,
        session: SearchSession,  # noqa: ARG002 - other searches ask it
        candidates: Sequence[Candidate],
    ) -> Iterator[Sequence[Candidate]]:
        """The candidates in the order of their fits."""
        yield candidates

    def _run_search(self, evaluate_candidates: Evaluate, *, callback_ctx: Any = None) -> None:
        """Called by scikit-learn's ``fit`` to evaluate candidates."""
        running = self._running
        running.backend.close()  # scikit-learn's `Parallel` has the backend, no other one needs it
        parameters, candidates = self._candidates()
        # before there is a study, so that a mistake in either leaves none behind
        folds = _SameFolds(self._checked_cv_orig)  # type: ignore[attr-defined]
        verbose = self.verbose
        self.verbose = 0  # scikit-learn before 1.9 prints "0 candidates"
        try:
            folds.make(evaluate_candidates)
        finally:
            self.verbose = verbose
        check_names(self.estimator, parameters.examples() if candidates is None else candidates)
        session = SearchSession(
            running.directory,
            parameters,
            candidates,
            self._strategy(),
            running.seed,
            running.about,
        )
        self.study_directory_ = str(running.directory)
        with session:
            session.choose = self.refit if isinstance(self.refit, str) else "score"  # type: ignore[attr-defined]
            running.runner = FitRunner(
                session,
                NetworkFits(parameters, running.seed),
                self.n_jobs,  # type: ignore[attr-defined]
                self.pre_dispatch,  # type: ignore[attr-defined]
            )
            evaluate = partial(evaluate_candidates, cv=folds)
            with self._search_context(callback_ctx, candidates) as context:
                batches = self._batches(session, candidates or ())
                self._evaluate(running.runner, batches, evaluate, context)
        running.refit.enter_context(running.runner.networks.refit())

    def _evaluate(
        self,
        runner: FitRunner,
        batches: Iterator[Sequence[Candidate]],
        evaluate: Evaluate,
        context: Callable[[int], AbstractContextManager[Any]],
    ) -> None:
        """Evaluates batches of candidates.

        scikit-learn's function ends the search where all fits of a call have failed. A search that
        learns has small batches, which are evaluated again, with the next one, until some fit has
        succeeded.

        Raises:
            ValueError: from scikit-learn, if all fits have failed.
        """
        waiting: list[Candidate] = []
        error: ValueError | None = None
        for batch in batches:
            waiting += batch
            runner.candidates = waiting
            params = [dict(one.params) for one in waiting]
            try:
                with context(len(waiting)) as more:
                    results = evaluate(params, **more)
            except ValueError as raised:
                if not runner.have_all_failed:
                    raise
                error = raised
                continue
            waiting, error = [], None
            self._evaluated(results)
        if error is not None:
            raise error

    @contextmanager
    def _search_context(self, parent: Any, candidates: Any) -> Iterator[Any]:
        """Contexts for callbacks of scikit-learn (from 1.9 on): of the search, and of its batches.

        A search whose candidates are known has one batch, as in scikit-learn.
        """
        if parent is None:
            yield lambda _: nullcontext({})
            return
        learns = candidates is None
        if learns:
            parent = parent.subcontext(task_name="search", max_subtasks=None)
            parent.call_on_fit_task_begin(estimator=self)

        @contextmanager
        def batch(size: int) -> Iterator[dict[str, Any]]:
            own = parent.subcontext(
                task_name="batch" if learns else "search",
                max_subtasks=size * self.n_splits_,  # type: ignore[attr-defined]
                sequential_subtasks=False,
            )
            own.call_on_fit_task_begin(estimator=self)
            yield {"callback_ctx": own}
            own.call_on_fit_task_end(estimator=self)

        yield batch
        if learns:
            parent.call_on_fit_task_end(estimator=self)

    def _evaluated(self, results: dict[str, Any]) -> None:
        """Called with the results so far after each batch."""

    def _begin(self, X: Any, y: Any) -> _Running:
        """The state of this call of ``fit``."""
        if self.study is None:
            directory = Path(tempfile.mkdtemp(prefix="paceline-sklearn-")) / "study"
            return _Running(directory, self._own_seed(None), (self._name(), ASKED))
        directory = study_directory(self.study)
        estimator, cv, scoring = (
            name_of(getattr(self, name)) for name in ("estimator", "cv", "scoring")
        )
        digest = joblib.hash((X, y))
        about = self._name(), f"{estimator} on {digest} with cv={cv}, scoring={scoring}"
        return _Running(directory, self._own_seed(Existing.find(directory)), about)

    def _name(self) -> str:
        return f"{type(self).__name__} of {type(self.estimator).__name__}"

    def _own_seed(self, existing: Existing | None) -> int:
        """The seed of the study; the states of random generators are not changed."""
        given = getattr(self, "random_state", None)
        if isinstance(given, int | np.integer):
            return int(given)
        if given is None and (own := _seed_of(self.estimator)) is not None:
            return own
        if existing is not None:
            return int(existing.settings.search.seed)
        copied = np.random.RandomState()
        copied.set_state(check_random_state(given).get_state())
        return int(copied.randint(2**31 - 1))


def _seed_of(estimator: Any) -> int | None:
    """The ``random_state`` of an estimator or of the first of its parts that has one; or None."""
    if not hasattr(estimator, "get_params"):
        return None
    parameters = estimator.get_params()
    for name in sorted(parameters, key=lambda name: (name.count("__"), name)):
        value = parameters[name]
        if name.rpartition("__")[2] == "random_state" and isinstance(value, int | np.integer):
            return int(value)
    return None


def _is_build(estimator: Any) -> bool:
    """Whether it is a function ``build(hp)``, or an object with such a method."""
    is_build = callable(estimator) or hasattr(estimator, "build")
    return is_build and not isinstance(estimator, type) and not hasattr(estimator, "fit")


class _FoldsAreMade(Exception):
    """Ends the call of scikit-learn's function that only made the folds."""


class _SameFolds:
    """A splitter whose folds are the same in each call."""

    def __init__(self, splitter: Any) -> None:
        self._splitter = splitter
        self._folds: list[Any] | None = None

    def make(self, evaluate: Evaluate) -> None:
        """Makes the folds as scikit-learn's function would, and evaluates nothing.

        Raises:
            ValueError: from the splitter, such as for more folds than rows.
        """
        with suppress(_FoldsAreMade):
            evaluate([], cv=self)

    def split(self, X: Any, y: Any = None, **given: Any) -> list[Any]:
        """The folds of the first call."""
        if self._folds is None:
            self._folds = list(self._splitter.split(X, y, **given))
            raise _FoldsAreMade
        return self._folds
