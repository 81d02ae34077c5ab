"""The base class of all tuners: the search as a loop over the trials of an oracle."""

import traceback
import warnings
from typing import Any

from paceline.compat.keras_tuner.engine.hypermodel import get_hypermodel
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.options import check_unknown
from paceline.compat.keras_tuner.engine.oracle import Oracle
from paceline.compat.keras_tuner.engine.project import (
    check_project,
    clear_project,
    project_directory,
    trained_alone,
)
from paceline.compat.keras_tuner.engine.recorded import StudyOfTrials
from paceline.compat.keras_tuner.engine.stateful import Stateful
from paceline.compat.keras_tuner.engine.summaries import print_results, print_space
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.compat.keras_tuner.engine.tuner_utils import (
    convert_to_metrics_dict,
    get_best_step,
    validate_trial_results,
)
from paceline.compat.keras_tuner.errors import FailedTrialError, FatalError
from paceline.core import InvalidInput, checks, shown
from paceline.core.deprecation import depth_of_caller
from paceline.report import Study


class BaseTuner(Stateful):
    """Runs the trials of an oracle one by one; subclasses define `run_trial`.

    Args:
        oracle: what to try next.
        hypermodel: a function of ``hp`` or a `HyperModel`; None where `run_trial` needs none.
        directory, project_name: the study is in the directory ``directory/project_name``.
        overwrite: whether what is there is deleted when the search begins; otherwise it continues.
        **kwargs: ``logger``, without effect.

    Attributes:
        oracle, hypermodel, directory, project_name: as above.

    Raises:
        InvalidInput: no oracle, an unknown argument, or a directory that holds something else.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any = None,
        directory: Any = None,
        project_name: Any = None,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(oracle, Oracle):
            raise InvalidInput(
                f"oracle is {shown(oracle)}",
                expected="another type. Expected `oracle` argument to be an instance of `Oracle`",
                fix="RandomSearch, BayesianOptimization, Hyperband and GridSearch make their own.",
            )
        self.logger = kwargs.pop("logger", None)
        if self.logger is not None:
            warnings.warn(
                "logger has no effect: tuner.study has everything that was measured.",
                DeprecationWarning,
                stacklevel=depth_of_caller(),
            )
        check_unknown(type(self), kwargs)
        self.oracle = oracle
        self.hypermodel: Any = get_hypermodel(hypermodel)
        self.directory = "." if directory is None else directory
        self.project_name = "untitled_project" if project_name is None else project_name
        self.tuner_id = "tuner0"
        self._path = project_directory(directory, project_name)
        self._to_clear = checks.flag("overwrite", overwrite)
        self._study: Study | None = None
        check_project(self._path, self._to_clear)
        self.oracle._set_project_dir(self.directory, str(self.project_name))
        if not self._to_clear and self._is_stored():
            print(f"Reloading Tuner from {self._path}")
            self.reload()
        else:
            self._populate_initial_space()

    # -- the search

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Searches: runs trials until the oracle has no more.

        Args:
            *fit_args, **fit_kwargs: passed to `run_trial`; ``verbose=0`` prints nothing.
        """
        if fit_kwargs.get("verbose") is not None:
            self.oracle.verbose = fit_kwargs["verbose"]
        self._clear()
        self.on_search_begin()
        with StudyOfTrials(self._path, self.oracle) as study:
            while True:
                self.pre_create_trial()
                trial = self.oracle.create_trial(self.tuner_id)
                if trial.status == TrialStatus.STOPPED:
                    break
                if trial.status == TrialStatus.IDLE:
                    continue
                self.on_trial_begin(trial)
                self._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
                try:
                    self.on_trial_end(trial)
                finally:
                    study.take(self.oracle.trials.get(trial.trial_id, trial))
        self._study = study.load()
        self.on_search_end()

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = TrialStatus.COMPLETED
        except FatalError:
            raise
        except FailedTrialError:
            trial.status, trial.message = TrialStatus.FAILED, traceback.format_exc()
        except Exception:
            trial.status, trial.message = TrialStatus.INVALID, traceback.format_exc()

    def _run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        objective = self.oracle.objective
        results = self.run_trial(trial, *args, **kwargs)
        if self.oracle.get_trial(trial.trial_id).metrics.exists(objective.name):
            warnings.warn(
                "run_trial has called self.oracle.update_trial(...). Please remove the call, and "
                "return the metrics instead.",
                DeprecationWarning,
                stacklevel=2,
            )
            return
        validate_trial_results(results, objective, "Tuner.run_trial()")
        metrics = convert_to_metrics_dict(results, objective)
        step = get_best_step(results, objective)
        self.oracle.update_trial(trial.trial_id, metrics, step=step)

    # -- to be defined by subclasses

    def run_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Evaluates a configuration, ``trial.hyperparameters``.

        Returns:
            The objective as a number, a dict of metrics, a ``History`` of Keras, or a list of
            these, whose mean counts.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no run_trial(self, trial, ...)")

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Saves a model; called by a `run_trial` of one's own."""
        raise NotImplementedError(f"{type(self).__name__} defines no save_model")

    def load_model(self, trial: Trial) -> Any:
        """Loads the model of a trial."""
        raise NotImplementedError(f"{type(self).__name__} defines no load_model")

    def pre_create_trial(self) -> None:
        """Called before the oracle is asked for a trial."""

    def on_trial_begin(self, trial: Trial) -> None:
        """Called before a trial runs."""

    def on_trial_end(self, trial: Trial) -> None:
        """Called after a trial has run; ends it in the oracle."""
        self.oracle.end_trial(trial)
        self.save()

    def on_search_begin(self) -> None:
        """Called before the first trial."""

    def on_search_end(self) -> None:
        """Called after the last trial."""

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

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        """The configurations with the best scores, the best first."""
        return [one.hyperparameters for one in self._best(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The models of the best trials, as `load_model` gives them."""
        return [self.load_model(one) for one in self._best(num_models)]

    def _best(self, count: int) -> list[Trial]:
        if not self.oracle.trials:
            raise InvalidInput(
                "the tuner has not searched yet", expected="a call of search(...) before this"
            )
        return self.oracle.get_best_trials(count)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials."""
        print_results(self.project_dir, self.oracle, num_trials)

    def search_space_summary(self, extended: bool = False) -> None:  # noqa: ARG002 - KerasTuner's
        """Prints the search space."""
        print_space(self.oracle.get_space())

    @property
    def remaining_trials(self) -> int | None:
        """How many trials are left; None where there is no limit."""
        return self.oracle.remaining_trials()

    # -- files

    @property
    def project_dir(self) -> str:
        """The directory of the study."""
        return str(self._path)

    def get_trial_dir(self, trial_id: str) -> str:
        """A directory for files of a trial; it is made."""
        path = self._path / f"trial_{trial_id}"
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def get_state(self) -> dict[str, Any]:
        """Nothing: the oracle has the state."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes over a state of `get_state`."""

    def save(self, fname: str | None = None) -> None:  # noqa: ARG002 - as in the base class
        """Writes the state to the project's directory."""
        self._clear()
        self.oracle.save()

    def reload(self, fname: str | None = None) -> None:  # noqa: ARG002
        """Takes over the state of the project's directory."""
        if trained_alone(self._path):
            self.oracle.reload()
            self._study = StudyOfTrials(self._path, self.oracle).load()

    def _is_stored(self) -> bool:
        """Whether the directory has a project to continue."""
        return trained_alone(self._path)

    def _clear(self) -> None:
        """Deletes a project that is to be overwritten, once."""
        if self._to_clear:
            self._to_clear = False
            check_project(self._path, overwrite=True)
            clear_project(self._path)

    # -- the space

    def _populate_initial_space(self) -> None:
        """Builds at the defaults, so that the space is known; errors of build show here."""
        if self.hypermodel is None:
            return
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)
        self._activate_all_conditions()

    def _activate_all_conditions(self) -> None:
        """Builds again until each ``conditional_scope`` was active, as far as this is possible."""
        reached: list[Any] = []
        tried: list[Any] = []
        hp = self.oracle.get_space()
        while True:
            self.hypermodel.build(hp)
            self.oracle.update_space(hp)
            reached += hp.active_scopes
            waiting = [one for one in hp.inactive_scopes if one not in reached and one not in tried]
            if not waiting:
                return
            tried.append(waiting[0])
            hp = self.oracle.get_space()
            for condition in waiting[0]:
                hp.values[condition.name] = condition.values[0]
            hp.ensure_active_values()
