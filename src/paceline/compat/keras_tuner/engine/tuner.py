"""The base class of the tuners: what they have in common."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from paceline.api import load_study, tune
from paceline.api.running import Display
from paceline.compat.keras_tuner.engine import callbacks, hypermodel
from paceline.compat.keras_tuner.engine.backend import say_backend
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.objective import create_objective
from paceline.compat.keras_tuner.engine.options import TunerOptions
from paceline.compat.keras_tuner.engine.own_fit import (
    Call,
    ModelStandIn,
    OwnArguments,
    own_arguments,
)
from paceline.compat.keras_tuner.engine.rows import Rows
from paceline.compat.keras_tuner.engine.trial import TunerOracle
from paceline.core import InvalidInput, StudyMismatch, TrialState
from paceline.core import Trial as Measured
from paceline.report import Study
from paceline.space import HyperParameters as Definitions
from paceline.store import has_study

_HOOKS = (
    "save_model",
    "load_model",
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_trial_begin",
    "on_trial_end",
    "on_search_begin",
    "on_search_end",
)
"""Methods of KerasTuner's tuners that subclasses override, and which nothing calls here."""


class Tuner:
    """A search as a KerasTuner tuner; use one of its subclasses in `..tuners`.

    Attributes:
        hypermodel: what builds the models.
        oracle: the trials.
        directory, project_name: the study is in ``directory/project_name``.
        max_trials: how many configurations are tried; None for all of a grid.
    """

    strategy: ClassVar[str] = "random"
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        given_model: Any,
        objective: Any,
        max_trials: int | None,
        options: Mapping[str, Any],
    ) -> None:
        """See the subclasses.

        Args:
            given_model: a function of ``hp``, or a `HyperModel`.
            objective: name of a metric, or an `Objective`.
            max_trials: how many configurations are tried; None for all of a grid.
            options: the arguments that tuners have in common, see `TunerOptions`.
        """
        if type(self) is Tuner:
            raise InvalidInput(
                "Tuner was called",
                expected="RandomSearch, BayesianOptimization, Hyperband or GridSearch",
                fix="A search strategy of your own is a subclass of paceline.search.Strategy, for "
                "paceline.tune(build, data, search=...).",
            )
        self._check_overridden()
        say_backend()
        self._options = TunerOptions.of(type(self).__name__, self.arguments, options)
        self.hypermodel = hypermodel.get_hypermodel(given_model)
        self.max_trials = max_trials
        self.directory = self._options.directory
        self.project_name = self._options.project_name
        self.oracle = TunerOracle(create_objective(objective), len(str(max_trials or 9999)))
        self._study: Study | None = None
        self._searched = False
        self._calls: list[Call] | None = None
        _prepare(self._options.project_dir, self._options.overwrite)
        if has_study(self._options.project_dir):
            self._attach(load_study(self._options.project_dir))
            print(f"Reloading Tuner from {self._options.project_dir}")
        self._initial = self._initial_space()

    # -- the search

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Searches; the arguments are those of ``fit``.

        A project that exists continues, until ``max_trials`` have been tried in total.

        Raises:
            InvalidInput: an argument that cannot be honoured; nothing has been written then.
            StudyMismatch: the project is of another space, other data or another objective.
            AllTrialsFailed: the first trials all failed.
        """
        own = self._own_arguments(fit_args, fit_kwargs)
        given = FitArguments.of(own.args, own.kwargs)
        display: Display = False if given.verbose == 0 else "auto"
        arguments = {**self._arguments_of(given), **self._loop(own)}
        directory = self._options.project_dir
        try:
            self._attach(tune(self._build, study=directory, display=display, **arguments))
        except StudyMismatch as error:
            raise StudyMismatch(
                error.passed,
                expected=error.expected,
                fix=f"With overwrite=True the project in {self.project_dir} is deleted and begins "
                "anew; with another project_name it stays.",
            ) from None
        self._searched = True

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Receives what an overriding ``run_trial`` passes on; trains nothing by itself.

        Raises:
            InvalidInput: it was called by something else than such a method.
        """
        if self._calls is None:
            raise InvalidInput(
                "run_trial was called",
                expected="a call of search(...): many trials train together",
            )
        self._calls.append((args, kwargs))
        return {}

    def _own_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> OwnArguments:
        """The arguments of training, after a ``run_trial`` and a ``fit`` of the user."""
        found = OwnArguments(args, kwargs, {})
        if type(self).run_trial is not Tuner.run_trial:

            def run_trial(hp: HyperParameters, calls: list[Call]) -> None:
                self._calls = calls
                try:
                    self.run_trial(SimpleNamespace(hyperparameters=hp), *args, **kwargs)
                finally:
                    self._calls = None

            found = own_arguments(f"{type(self).__name__}.run_trial", run_trial)
        if type(self.hypermodel).fit is not hypermodel.HyperModel.fit:
            passed = found

            def fit(hp: HyperParameters, calls: list[Call]) -> None:
                given = {"callbacks": [], **passed.kwargs}
                self.hypermodel.fit(hp, ModelStandIn(calls), *passed.args, **given)

            own = own_arguments(f"{type(self.hypermodel).__name__}.fit", fit)
            found = OwnArguments(own.args, own.kwargs, {**found.loop, **own.loop})
        return found

    def _loop(self, own: OwnArguments) -> Mapping[str, Any]:
        """The arguments of training that are hyperparameters."""
        return own.loop

    def _arguments_of(self, given: FitArguments) -> dict[str, Any]:
        """The arguments of `paceline.tune`."""
        rows = Rows.of(given)
        objective = self.oracle.objective
        found = {
            "data": rows.dataset,
            "objective": (objective.name, objective.direction),
            "epochs": self._epochs(given),
            "batch_size": given.batch_size,
            "validation_batch_size": given.validation_batch_size,
            "trials": self.max_trials,
            "search": self.strategy,
            "schedule": self._schedule(),
            "seed": self._options.seed,
            "keep": "best",
            "keep_models": self.max_trials,
            "repeats": self._options.executions_per_trial,
            "folds": [rows.division],
            "validation": rows.validation_share,
            "shuffle": False,
            "standardize": False,
            "scale_target": False,
            "final": self._options.final,
            "callbacks": callbacks.of_search(
                given.callbacks, objective, self._is_halving, self._patience
            ),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _epochs(self, given: FitArguments) -> int:
        """The epochs of a full training."""
        return given.epochs

    def _schedule(self) -> Any:
        """Which trials train to their end: all."""
        return "full"

    @property
    def _patience(self) -> int | None:
        """The patience of a project of an earlier version."""
        return None if self._study is None else self._study.settings.training.patience

    @property
    def _is_halving(self) -> bool:
        return False

    def _build(self, hp: Definitions) -> Any:
        return self.hypermodel.build(HyperParameters.of_search(hp))

    # -- results

    @property
    def study(self) -> Study:
        """Paceline's study of the search: ``tuner.study.report()``, ``.best``, ``.trials``.

        Raises:
            InvalidInput: the tuner has not searched yet.
        """
        if self._study is None:
            raise InvalidInput(
                "the tuner has not searched yet", expected="a call of search(...) before this"
            )
        return self._study

    @property
    def project_dir(self) -> str:
        """The directory of the study."""
        return str(self._options.project_dir)

    @property
    def remaining_trials(self) -> int | None:
        """How many trials are left; None where there is no limit."""
        done = 0 if self._study is None else len(self._study.trials)
        return None if self.max_trials is None else max(0, self.max_trials - done)

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        """The configurations with the best scores, the best first."""
        return [trial.hyperparameters for trial in self.oracle.get_best_trials(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The trained models of the best trials, with the weights of their best epochs.

        With ``executions_per_trial`` that of the first execution.

        Raises:
            InvalidInput: the weights of a trial are not stored and cannot be trained again.
        """
        return [self._model(trial.measured) for trial in self.oracle.get_best_trials(num_models)]

    def _model(self, trial: Measured) -> Any:
        if trial.state is not TrialState.STOPPED:
            return self.study.model(trial, self._build)
        if not self._searched:
            raise InvalidInput(
                f"the weights of trial {trial.number} are not stored: Hyperband stopped it",
                expected="a trial that trained to its end",
                fix="Call search(...) with the same arguments first: it repeats nothing, and has "
                "the data to train this trial again.",
            )
        return self.study.model(trial, retrain=True)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials."""
        print("Results summary")
        print(f"Results in {self.project_dir}")
        print(f"Showing {num_trials} best trials")
        print(self.oracle.objective)
        for trial in self.oracle.get_best_trials(num_trials):
            print()
            trial.summary()

    def search_space_summary(self, extended: bool = False) -> None:  # noqa: ARG002 - KerasTuner's
        """Prints the search space: what the first builds have defined, or the study has found."""
        space = self._initial if self._study is None else tuple(self._study.space)
        print("Search space summary")
        print(f"Default search space size: {len(space)}")
        for one in space:
            state = {name: value for name, value in one.to_json().items() if name != "name"}
            print(f"{one.name} ({state.pop('kind', type(one).__name__)})")
            print(state)

    # -- construction

    def _attach(self, study: Study) -> None:
        self._study = study
        self.oracle.attach(study)

    def _initial_space(self) -> tuple[Any, ...]:
        """The hyperparameters that the default configuration defines; errors of build show here."""
        hp = HyperParameters()
        self.hypermodel.declare_hyperparameters(hp)
        self.hypermodel.build(hp)
        return tuple(hp.space)

    def _check_overridden(self) -> None:
        for name in _HOOKS:
            if hasattr(type(self), name):
                raise InvalidInput(
                    f"{type(self).__name__} defines {name}",
                    expected="a tuner without it: many trials train together, so nothing calls it",
                    fix="Pass batch_size, epochs and the like to search(...).",
                )


def _prepare(directory: Path, overwrite: bool) -> None:
    """Deletes a project that is to be overwritten, and refuses one of KerasTuner.

    Raises:
        InvalidInput: the directory holds something else.
    """
    if not directory.exists():
        return
    is_other = (directory / "oracle.json").exists()
    if overwrite and (is_other or has_study(directory)):
        shutil.rmtree(directory)
    elif is_other:
        raise InvalidInput(
            f"{directory} holds a project of KerasTuner",
            expected="a project of this tuner, or a new one",
            fix="Pass another project_name; with overwrite=True what is there is deleted.",
        )
    elif overwrite and (not directory.is_dir() or any(directory.iterdir())):
        raise InvalidInput(
            f"overwrite is True and {directory} holds something else than a project",
            expected="a project, or an empty directory",
            fix="Delete it yourself, or pass another project_name.",
        )
