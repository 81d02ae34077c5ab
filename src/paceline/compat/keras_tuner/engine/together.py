"""A search whose trials train together: as a call of `paceline.tune`."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from paceline.api import tune
from paceline.callbacks import Callback
from paceline.compat.keras_tuner.engine import callbacks
from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.batches import read_arguments, stream_options
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.loop_names import KeepsNames, defined_by_build
from paceline.compat.keras_tuner.engine.objective import DefaultObjective, MultiObjective
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.overriding import first_overridden, is_overridden
from paceline.compat.keras_tuner.engine.own_fit import (
    HyperModelStandIn,
    Method,
    ModelStandIn,
    OwnArguments,
    Recorder,
    check_state,
    own_arguments,
)
from paceline.compat.keras_tuner.engine.own_source import effect_of
from paceline.compat.keras_tuner.engine.own_state import StateRead, UnchangedState, changed
from paceline.compat.keras_tuner.engine.project import ANEW, trained_alone
from paceline.compat.keras_tuner.engine.rows import row_options
from paceline.compat.keras_tuner.errors import TooManyFailures
from paceline.core import AllTrialsFailed, InvalidInput, StudyInterrupted, StudyMismatch, Trial
from paceline.report import Study
from paceline.study.hooks.view import StudyView

_HOOKS = (
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_trial_begin",
    "on_trial_end",
    "on_search_begin",
    "on_search_end",
    "pre_create_trial",
    "save_model",
    "load_model",
    "_build_and_fit_model",
    "_build_hypermodel",
    "_try_build",
    "_deepcopy_callbacks",
    "_configure_tensorboard_dir",
)
"""Methods of a tuner that are called for each trial, if it trains alone."""

_AS_BEFORE = (
    "callbacks",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "class_weight",
)
"""Settings that `paceline.tune` takes from a study that exists, unless they are given."""

_CONSECUTIVE = 3  # the default of max_consecutive_failed_trials
_ALL = 1_000_000
"""So many networks are kept where no number of trials is given, as in a grid."""


def arguments_of(tuner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `paceline.tune` for a search.

    Args:
        tuner: the tuner.
        args, kwargs: those of ``search``.

    Raises:
        RunsAlone: the trials of this search have to run one by one.
        InvalidInput: an argument that cannot be honoured in any way.
    """
    oracle = tuner.oracle
    tuner._reads = UnchangedState()
    _check_tuner(tuner)
    own = _own_arguments(tuner, args, kwargs)
    given = FitArguments.of(own.args, own.kwargs, oracle.objective.name)
    given = read_arguments(given, _recorded(tuner))
    _say_unused(oracle)
    loop = {name: one for name, one in own.loop.items() if name != "epochs" or not oracle.epochs}
    tuner._names = {name: own.names[name] for name in loop}
    is_halving = oracle.schedule != "full"
    found = {
        **(stream_options(given) if given.is_in_batches else row_options(given)),
        "objective": (oracle.objective.name, oracle.objective.direction),
        "epochs": oracle.epochs or given.epochs,
        "validation_batch_size": given.validation_batch_size,
        "steps_per_epoch": given.steps_per_epoch,
        "validation_steps": given.validation_steps,
        "trials": oracle.num_trials,
        "search": oracle.strategy,
        "schedule": oracle.schedule,
        "seed": oracle.given_seed,
        "keep": "best",
        "keep_models": oracle.num_trials or _ALL,
        "repeats": tuner.executions_per_trial,
        "final": tuner.final,
        "display": False if given.verbose == 0 else "auto",
        "callbacks": _callbacks(tuner, given, is_halving),
        **loop,
    }
    found = {name: value for name, value in found.items() if value is not None}
    if tuner._study is not None and not tuner._to_clear:
        oracle._check_brackets(tuner._study)
        _check_given_again(tuner._study, found)
    return found


def search_together(tuner: Any, arguments: dict[str, Any]) -> Study:
    """Carries out a search.

    Raises:
        StudyMismatch: the project is of another space, other data or another objective.
        StudyInterrupted: Ctrl+C has stopped it.
        RunsAlone: a build has changed what a method of the user reads.
        TooManyFailures: the first trials all failed.
    """
    try:
        with tuner._reads.compared():
            return tune(tuner._build_together, study=tuner.project_dir, **arguments)
    except StudyInterrupted:
        if tuner._reads.has_stopped:
            raise tuner._reads.difference from None
        raise StudyInterrupted(
            f"Stopped; everything measured is kept in {tuner.project_dir}. Run the script again: "
            "it continues there, and repeats nothing that has ended."
        ) from None
    except StudyMismatch as error:
        are_rows = "given folds" in error.passed
        raise StudyMismatch(
            "the rows to train on or to validate are others than the project's"
            if are_rows
            else error.passed,
            expected="the same x, y and validation rows" if are_rows else error.expected,
            fix=ANEW,
        ) from None
    except AllTrialsFailed as error:
        raise TooManyFailures(str(error)) from error
    except InvalidInput as error:
        if tuner._failure is None:
            raise
        raise TooManyFailures(str(error)) from error  # no build gave a model


def _recorded(tuner: Any) -> Any:
    """The description of the data of a project that exists; None for a new one."""
    study: Study | None = tuner._study
    return None if study is None or study.record.created is None else study.record.created.data


def _callbacks(tuner: Any, given: FitArguments, is_halving: bool) -> list[Any] | None:
    study: Study | None = tuner._study
    patience = None if study is None else study.settings.training.patience  # of earlier versions
    found = callbacks.of_search(given.callbacks, tuner.oracle.objective, is_halving, patience) or []
    if any(argument != name for argument, name in tuner._names.items()):
        found.append(KeepsNames(tuner._names))
    if tuner._reads.has_states:
        found.append(StopsWhereRead(tuner._reads))
    return found or None


def _check_given_again(study: Study, found: Mapping[str, Any]) -> None:
    """Checks that what a project was begun with is given again.

    `paceline.tune` would take it from the study; here what is not given has its default, as in
    ``fit``.

    Raises:
        StudyMismatch: something is missing.
    """
    import keras

    from paceline.train.callback_text import texts_of

    own = found.get("callbacks", ())
    of_keras = [one for one in own if isinstance(one, keras.callbacks.Callback)]
    given = {**found, "callbacks": texts_of(of_keras)}
    for name in _AS_BEFORE:
        known = getattr(study.settings.training, name)
        if known and not given.get(name):
            shown = ", ".join(known) if name == "callbacks" else known
            raise StudyMismatch(
                f"{name} is not given",
                expected=f"{shown}, as in {study.directory}",
                fix=f"Pass it. {ANEW}",
            )


class StopsWhereRead(Callback):
    """Interrupts a search when a build has changed what a method of the user reads.

    As after Ctrl+C, trials that have not ended stay so, and there is no final evaluation.

    Args:
        reads: compares it.
    """

    def __init__(self, reads: UnchangedState) -> None:
        self._reads = reads

    def on_study_begin(self, study: StudyView) -> None:  # noqa: ARG002
        """The first builds may have shown it."""
        self._stop()

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:  # noqa: ARG002
        """The trial with that build has failed."""
        self._stop()

    def _stop(self) -> None:
        if self._reads.difference is not None and not self._reads.has_stopped:
            self._reads.has_stopped = True
            raise KeyboardInterrupt(self._reads.difference.reason)


def _check_tuner(tuner: Any) -> None:
    """Refuses what can only be done for one trial after the other."""
    name, oracle = type(tuner).__name__, tuner.oracle
    if vars(type(oracle)).get("strategy") is None:
        raise RunsAlone(f"{type(oracle).__name__} chooses each of them")
    if isinstance(oracle.objective, DefaultObjective | MultiObjective):
        raise RunsAlone("the objective is not one metric that fit measures")
    if (hook := first_overridden(tuner, _HOOKS)) is not None:
        raise RunsAlone(f"{name} defines {hook}")
    if tuner.hypermodel is None:
        raise RunsAlone(f"{name}.run_trial has no hypermodel")
    if trained_alone(tuner._path) and not tuner._to_clear:
        raise RunsAlone("those of this project have done so before")
    if oracle.trials and tuner._study is None:
        raise RunsAlone("the oracle has trials already")


def _say_unused(oracle: Any) -> None:
    """Warns of arguments that have an effect only where trials run one by one."""
    if oracle.max_retries_per_trial:
        warn_once(
            "max_retries_per_trial",
            "max_retries_per_trial has no effect where trials train together: a trial that fails "
            "would fail again.",
        )
    if oracle.max_consecutive_failed_trials != _CONSECUTIVE:
        warn_once(
            "max_consecutive_failed_trials",
            "max_consecutive_failed_trials has no effect where trials train together: the search "
            "ends if its first trials all fail.",
        )


def _own_arguments(tuner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> OwnArguments:
    """The arguments of training, after a ``run_trial`` and a ``fit`` of the user."""
    found = OwnArguments(args, kwargs)
    known = defined_by_build(tuner.oracle.hyperparameters, tuner._study, tuner._names)
    if is_overridden(tuner, "run_trial"):

        def run_trial(hp: HyperParameters, recorder: Recorder) -> Any:
            return _run_trial(tuner, hp, recorder, args, kwargs)

        found = _tried(tuner, tuner, "run_trial", run_trial, known)
    if is_overridden(tuner.hypermodel, "fit"):
        passed = found

        def fit(hp: HyperParameters, recorder: Recorder) -> Any:
            given = {"callbacks": [], **passed.kwargs}
            return tuner.hypermodel.fit(hp, ModelStandIn(recorder), *passed.args, **given)

        own = _tried(tuner, tuner.hypermodel, "fit", fit, known)
        found = OwnArguments(
            own.args, own.kwargs, {**found.loop, **own.loop}, {**found.names, **own.names}
        )
    if not (found.loop or any(len(set(map(str, one.values))) > 1 for one in known.space)):
        raise RunsAlone("there is no hyperparameter with more than one value")
    return found


def _tried(tuner: Any, owner: Any, name: str, run: Method, known: HyperParameters) -> OwnArguments:
    """The arguments that a method of the user passes on, if it does nothing else.

    Args:
        tuner: the tuner.
        owner, name: the object that the method belongs to, and its name.
        run: calls the method.
        known: the hyperparameters of ``build``.
    """
    what, method = f"{type(owner).__name__}.{name}", getattr(owner, name)
    if effect := effect_of(method):
        raise RunsAlone(f"{what} {effect}")
    state = StateRead(method)
    before = state.now()
    found = own_arguments(what, run, known)
    if part := changed(before, state.now()):
        raise RunsAlone(f"{what} changes {part}")
    check_state(what, state, tuner.hypermodel.build, known)
    tuner._reads.add(what, state)
    return found


def _run_trial(
    tuner: Any,
    hp: HyperParameters,
    recorder: Recorder,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Calls a ``run_trial`` of the user with stand-ins for the training and the hypermodel."""
    hypermodel = tuner.hypermodel
    trial = SimpleNamespace(hyperparameters=hp, trial_id=f"{id(recorder)}", status="RUNNING")
    tuner._recorder = recorder
    if tuner.executions_per_trial == 1 and not is_overridden(hypermodel, "fit"):
        tuner.hypermodel = HyperModelStandIn(recorder)
    try:
        return tuner.run_trial(trial, *args, **dict(kwargs))
    finally:
        tuner._recorder, tuner.hypermodel = None, hypermodel
