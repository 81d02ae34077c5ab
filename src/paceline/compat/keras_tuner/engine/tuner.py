"""The base class of the tuners of Keras models."""

import copy
import random
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from paceline.api import load_study
from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.backend import say_backend
from paceline.compat.keras_tuner.engine.base_tuner import BaseTuner
from paceline.compat.keras_tuner.engine.compiling import check_model, compile_again
from paceline.compat.keras_tuner.engine.fit_arguments import check_has_data
from paceline.compat.keras_tuner.engine.going_on import (
    begin_anew,
    builds_as_before,
    check_alone,
    earlier_difference,
    go_on_alone,
    has_measured,
    repeat_alone,
    set_aside,
)
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameter, HyperParameters
from paceline.compat.keras_tuner.engine.hyperparameters.in_search import (
    Entries,
    SearchedHyperParameters,
)
from paceline.compat.keras_tuner.engine.loop_names import load_names
from paceline.compat.keras_tuner.engine.measured import take_over
from paceline.compat.keras_tuner.engine.options import warn_once, warn_unused
from paceline.compat.keras_tuner.engine.overriding import is_overridden
from paceline.compat.keras_tuner.engine.own_fit import Recorder
from paceline.compat.keras_tuner.engine.own_state import UnchangedState
from paceline.compat.keras_tuner.engine.project import (
    check_same_search,
    is_finished,
    is_same,
    replaced,
    trained_alone,
    warn_finished,
)
from paceline.compat.keras_tuner.engine.stateful import load_json, save_json
from paceline.compat.keras_tuner.engine.together import arguments_of, search_together
from paceline.compat.keras_tuner.engine.trial import Trial
from paceline.compat.keras_tuner.engine.tuner_utils import validate_trial_results
from paceline.compat.keras_tuner.errors import FailedTrialError, FatalValueError
from paceline.core import (
    AllTrialsFailed,
    InvalidInput,
    PacelineError,
    StudyInterrupted,
    StudyMismatch,
    checks,
    shown,
)
from paceline.core import Trial as Measured
from paceline.report import Study
from paceline.space import HyperParameters as Definitions
from paceline.store import has_study

_OLD = ("workers", "use_multiprocessing", "max_queue_size")
"""Arguments of ``fit`` that Keras 3 no longer has."""


class Tuner(BaseTuner):
    """A search for Keras models.

    Trials train together, as one compiled model, where an oracle of this interface chooses them and
    nothing else is called in between; otherwise one by one, through ``fit``.

    Args:
        oracle, hypermodel, directory, project_name, overwrite: see `BaseTuner`.
        max_model_size: the number of trainable weights above which a trial fails; None for any.
        optimizer, loss, metrics: replace those that the models were compiled with.
        distribution_strategy, logger, tuner_id: without effect, with a warning.
        executions_per_trial: trainings of each configuration; its score is the mean.
        final: Paceline's option of that name: fresh trainings of the best after the search.
        **kwargs: none.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any = None,
        max_model_size: int | None = None,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        distribution_strategy: Any = None,
        directory: Any = None,
        project_name: Any = None,
        logger: Any = None,
        tuner_id: Any = None,
        overwrite: bool = False,
        executions_per_trial: int = 1,
        final: Any = "off",
        **kwargs: Any,
    ) -> None:
        if hypermodel is None and not is_overridden(self, "run_trial"):
            raise InvalidInput(
                "Received `hypermodel=None`",
                expected="a function build(hp) or a HyperModel, unless run_trial is your own",
            )
        say_backend()
        warn_unused(self, distribution_strategy=distribution_strategy, tuner_id=tuner_id)
        self.max_model_size = max_model_size
        self.optimizer, self.loss, self.metrics = optimizer, loss, metrics
        self.distribution_strategy = distribution_strategy
        self.executions_per_trial = checks.whole_number(
            "executions_per_trial", executions_per_trial
        )
        self.final = final
        self._recorder: Recorder | None = None
        self._failure: FailedTrialError | None = None
        self._lock = threading.Lock()  # models may be built in other threads
        self._searched = False
        self._reads = UnchangedState()
        self._names: dict[str, str] = {}  # of hyperparameters of the training loop, by argument
        super().__init__(
            oracle, hypermodel, directory, project_name, overwrite, logger=logger, **kwargs
        )

    # -- the search

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Searches; the arguments are those of ``fit``.

        A project that exists continues, until ``max_trials`` have been tried in total. One that has
        finished trains nothing; a warning says what differs from its own search. One that was begun
        with other data or arguments goes on with these, its trials one by one; if nothing was
        measured in it, it begins anew.

        Raises:
            InvalidInput: an argument that cannot be honoured, or no data; nothing has been written
                then.
            StudyMismatch: the project is of another space, or one of Hyperband that has not
                finished and has other brackets.
            AllTrialsFailed: the first trials all failed.
        """
        for name in _OLD:
            if fit_kwargs.pop(name, None) is not None:
                warn_once(name, f"{name} has no effect: fit of Keras 3 has no such argument.")
        try:
            self._search_or_go_on(fit_args, fit_kwargs)
        except StudyInterrupted:
            self._take_up()  # results and a later search include what has ended
            raise

    def _search_or_go_on(self, fit_args: tuple[Any, ...], fit_kwargs: dict[str, Any]) -> None:
        try:
            self._search(fit_args, fit_kwargs)
        except StudyMismatch as difference:
            if not self._take_up():
                raise
            if not has_measured(self.study.record):
                begin_anew(self, difference)
                self._search(fit_args, fit_kwargs)
            elif not builds_as_before(self):
                raise
            elif is_finished(self._study, self.oracle.num_trials):
                warn_finished(self.project_dir, difference)
            else:
                go_on_alone(self, difference)
                super().search(*fit_args, **fit_kwargs)

    def _search(self, fit_args: tuple[Any, ...], fit_kwargs: dict[str, Any]) -> None:
        try:
            arguments = arguments_of(self, fit_args, fit_kwargs)
        except RunsAlone as reason:
            check_has_data(self, fit_args, fit_kwargs)
            if not self._to_clear:
                check_alone(self._path)
                set_aside(self._path)
            warn_once(f"alone: {reason}", reason.message)
            super().search(*fit_args, **fit_kwargs)
            return
        difference = earlier_difference(self)
        if difference is None:
            self._search_together(arguments)
            difference = self._reads.difference or earlier_difference(self)
        if difference is not None:
            repeat_alone(self, difference)
            super().search(*fit_args, **fit_kwargs)

    def _search_together(self, arguments: dict[str, Any]) -> None:
        with replaced(self._path) if self._to_clear else nullcontext():
            try:
                study = search_together(self, arguments)
            except (InvalidInput, AllTrialsFailed, RunsAlone):
                if self._reads.difference is None:
                    raise
                return  # it may have failed for that reason
            finally:
                if has_study(self._path):  # what has begun is continued
                    self._to_clear = False
        self._searched = True
        self._attach(study)

    def _run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        with self._seeded(trial):
            super()._run_and_update_trial(trial, *args, **kwargs)

    def _seeded(self, trial: Trial) -> AbstractContextManager[Any]:
        """Random numbers of a trial that trains alone, such as initial weights, from the seed."""
        if self.oracle.given_seed is None:
            return nullcontext()
        from paceline.train.isolation import GlobalState

        run = self.oracle.num_runs(trial.trial_id)  # one that is repeated is another training
        drawn = random.Random(f"{self.oracle.given_seed} {trial.trial_id} {run}")
        return GlobalState(drawn.getrandbits(31))

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Trains a configuration through ``fit``, as often as ``executions_per_trial`` says."""
        if self._recorder is not None:
            return self._recorder.take(args, kwargs)
        from paceline.compat.keras_tuner.engine.keras_callbacks import SaveBestEpoch, TunerCallback

        best = SaveBestEpoch(self.oracle.objective, self._get_checkpoint_fname(trial.trial_id))
        given = kwargs.pop("callbacks", None) or []
        found = []
        for execution in range(self.executions_per_trial):
            callbacks = self._deepcopy_callbacks(given)
            self._configure_tensorboard_dir(callbacks, trial, execution)
            callbacks = [*callbacks, TunerCallback(self, trial), best]
            arguments = {**kwargs, "callbacks": callbacks}
            found.append(self._build_and_fit_model(trial, *args, **arguments))
        return found

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        model = self._try_build(hp)
        found = self.hypermodel.fit(hp, model, *args, **kwargs)
        save_json(self._get_build_config_fname(trial.trial_id), model.get_build_config())
        validate_trial_results(found, self.oracle.objective, "HyperModel.fit()")
        return found

    def _try_build(self, hp: Any) -> Any:
        import keras

        keras.utils.clear_session()
        return check_model(self._build_hypermodel(hp), self.max_model_size)

    def _build_hypermodel(self, hp: Any) -> Any:
        model = self.hypermodel.build(hp)
        return compile_again(model, self.optimizer, self.loss, self.metrics)

    def _build_together(self, definitions: Definitions) -> Any:
        """The model of a trial that trains together with others."""
        oracle = self.oracle
        entries = Entries(
            oracle.given, oracle.allow_new_entries, oracle.tune_new_entries, self._found
        )
        hp = SearchedHyperParameters(definitions, entries)
        try:
            with self._reads.of_build():
                return check_model(self._build_hypermodel(hp), self.max_model_size)
        except FailedTrialError as error:
            self._failure = error
            raise

    def _found(self, one: HyperParameter) -> None:
        """Adds a hyperparameter that a build has asked for to the space of the oracle."""
        with self._lock:
            if not self.oracle.hyperparameters._exists(one.name, one.conditions):
                self.oracle.update_space(HyperParameters.with_values([one], {}))

    def _deepcopy_callbacks(self, callbacks: Any) -> list[Any]:
        try:
            return list(copy.deepcopy(callbacks))
        except Exception as error:
            raise FatalValueError(
                "All callbacks used during a search should be deep-copyable, since each trial has "
                f"its own; {shown(callbacks)} cannot be copied ({error})."
            ) from error

    def _configure_tensorboard_dir(
        self, callbacks: list[Any], trial: Trial, execution: int = 0
    ) -> None:
        """Gives each trial a directory of its own for TensorBoard."""
        for one in callbacks:
            if type(one).__name__ == "TensorBoard":
                name = f"execution{execution}"
                one.log_dir = str(Path(one.log_dir) / trial.trial_id / name)

    # -- hooks of trials that train through fit

    def on_batch_begin(self, trial: Trial, model: Any, batch: int, logs: Any) -> None:
        """Called before each batch."""

    def on_batch_end(self, trial: Trial, model: Any, batch: int, logs: Any = None) -> None:
        """Called after each batch."""

    def on_epoch_begin(self, trial: Trial, model: Any, epoch: int, logs: Any = None) -> None:
        """Called before each epoch."""

    def on_epoch_end(self, trial: Trial, model: Any, epoch: int, logs: Any = None) -> None:
        """Called after each epoch."""

    # -- results

    @property
    def max_trials(self) -> int | None:
        """How many configurations are tried; None for all of a grid."""
        return self.oracle.num_trials

    @property
    def remaining_trials(self) -> int | None:
        """How many trials are left; None where there is no limit."""
        count = self.oracle.num_trials
        return None if count is None else max(0, count - len(self.oracle.trials))

    def load_model(self, trial: Trial) -> Any:
        """The trained model of a trial, with the weights of its best epoch.

        With ``executions_per_trial`` that of the first execution, where trials train together.

        Raises:
            InvalidInput: the weights of a trial are not stored and cannot be trained again.
        """
        if trial.measured is not None:
            return self._model(trial.measured)
        if not Path(self._get_checkpoint_fname(trial.trial_id)).exists():
            raise InvalidInput(
                f"the weights of trial {trial.trial_id} in {self.project_dir} are not stored",
                expected="a trial with stored weights",
                fix="Build the model of trial.hyperparameters and train it.",
            )
        model = check_model(self._build_hypermodel(trial.hyperparameters), None)
        self._load_weights(model, trial.trial_id)
        return model

    def _load_weights(self, model: Any, trial_id: str) -> None:
        if not model.built:
            model.build_from_config(load_json(self._get_build_config_fname(trial_id)))
        model.load_weights(self._get_checkpoint_fname(trial_id))

    def _model(self, trial: Measured) -> Any:
        if self._searched:  # with the data, which a trial whose weights are not kept needs
            return self.study.model(trial, retrain=True)
        return self.study.model(trial, self._build_together)

    # -- files

    def _get_checkpoint_fname(self, trial_id: str) -> str:
        return str(Path(self.get_trial_dir(trial_id)) / "checkpoint.weights.h5")

    def _get_build_config_fname(self, trial_id: str) -> str:
        return str(Path(self.get_trial_dir(trial_id)) / "build_config.json")

    def save(self, fname: str | None = None) -> None:
        """Writes the state; of trials that train together, the study has it already."""
        if self._study is None or trained_alone(self._path):
            super().save(fname)

    def reload(self, fname: str | None = None) -> None:
        """Takes over the state of the project's directory."""
        if trained_alone(self._path):
            super().reload(fname)
        elif has_study(self._path):
            study = load_study(self._path)
            check_same_search(study, self.oracle, self.project_dir)
            self._names = load_names(self._path)
            self._attach(study)

    def _is_stored(self) -> bool:
        return trained_alone(self._path) or has_study(self._path)

    def _take_up(self) -> bool:
        """Takes over what trials that train together have added to the project.

        Returns whether the project is one of such trials and of this search.
        """
        if self._to_clear or trained_alone(self._path) or not has_study(self._path):
            return False
        known = self._study
        try:
            self.reload()
        except (PacelineError, RuntimeError):  # damaged, or of another kind of tuner
            return False
        if known is not None and is_same(known, self.study):
            self._study = known  # it has the data
        else:
            self._searched = False
        return True

    def _forget(self) -> None:
        """The state of a new project, in place of one that was deleted."""
        self._study, self._searched = None, False
        self.oracle._forget()
        self._populate_initial_space()

    def _attach(self, study: Study) -> None:
        self._study = study
        names = {argument: name for argument, name in self._names.items() if argument != name}
        take_over(self.oracle, study, names)
