"""The models of a stored study: the best one from its file, others built again.

Code is run only if the user passed it, or trusts the file that the study names
(`paceline.study.resume.trust`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.core import Budget, InvalidInput, Trial, TrialState, command_line
from paceline.execute.base import Leaves
from paceline.execute.repeated import network_of
from paceline.store.paths import MODEL
from paceline.study.inputs.model_inputs import Build
from paceline.study.models.best_file import fault_of
from paceline.study.models.models import Models
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.defining import define
from paceline.study.plan.definition import Definition
from paceline.study.plan.network_plan import plan_networks
from paceline.study.plan.user_code import Buildable, callable_of, fix, import_build, network
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.network_files import Unusable
from paceline.study.record.record import Record
from paceline.study.resume.existing import Existing
from paceline.study.resume.trust import check as check_trusted


@dataclass(frozen=True, slots=True)
class Origin:
    """Possible sources of the function that builds a study's models.

    Attributes:
        given: the function, ``"model.py:build"``, or None.
        held: the function with which this process carried out the study, or None.
        trust: whether the file that the study names may be run, though the user has not named it.
    """

    given: Buildable | None = None
    held: Definition | None = None
    trust: bool = False

    def build(self, record: Record, directory: Path) -> Build:
        """The build function.

        Raises:
            InvalidInput: it was not passed and is unknown, or may not be run.
        """
        known = record.settings.function
        choose_backend()
        if self.given is None and self.held is not None:
            return self.held.build
        if isinstance(self.given, str):
            found = import_build(self.given)
        elif self.given is not None:
            found = callable_of(self.given)
        elif known.model is not None and known.network is not None:
            found = network(known.model, known.network)
        elif isinstance(known.build, str):
            check_trusted(known.build, directory, self.trust)
            found = import_build(known.build)
        else:
            raise _unknown(directory)
        return fix(found, known.fixed) if known.fixed else found


def _unknown(directory: Path) -> InvalidInput:
    return InvalidInput(
        f"the build function of study {directory} was passed from memory, so its models cannot be "
        f"built here",
        expected="build= with that function",
    )


def best_model(
    record: Record,
    directory: Path,
    origin: Origin,
    custom_objects: Mapping[str, Any] | None,
    safe_mode: bool,
) -> Any:
    """The study's final model; arguments as in `paceline.report.Study.best_model`."""
    _check_has_networks(record, directory)
    checkpoints = Checkpoints.read(directory, record)
    path, known = directory / MODEL, checkpoints.best_model
    fault = fault_of(path, known)
    if known is None and fault:
        raise _no_model_yet(record, directory)
    asks_for_file = custom_objects is not None or not safe_mode
    if asks_for_file or (origin.given is None and not fault and _is_enough(known)):
        try:
            return _load(path, known, custom_objects, safe_mode)
        except InvalidInput:
            if asks_for_file or known is None:
                raise
    try:
        leaves = checkpoints.best_model_leaves()
    except Unusable as why:
        raise _unusable(
            f"of the best model of study {directory}", why, command_line("resume", directory)
        ) from why
    if known is None or leaves is None:
        raise InvalidInput(
            f"study {directory} keeps no weights of its best model", expected="best_model() alone"
        )
    try:
        build = origin.build(record, directory)
    except InvalidInput as error:
        other = f", or custom_objects={{...}} to load {MODEL}" if not fault else ""
        lost = f"{path} {fault}, and " if fault and not known["keras"]["reason"] else ""
        raise InvalidInput(
            f"{lost}{error.passed}", expected=f"{error.expected}{other}", fix=error.fix
        ) from None
    return _models(record, build).of(record.trial(known["trial"]), leaves)


def model_of(record: Record, directory: Path, number: int, origin: Origin) -> Any:
    """The model of a trial of the search; arguments as in `paceline.report.Study.model`."""
    trial = _known(record, directory, number)
    is_waiting = not trial.state.is_final
    checkpoints = Checkpoints.read(directory, record, running=is_waiting)
    try:
        leaves = _waiting(record, checkpoints, trial) if is_waiting else checkpoints.model(number)
    except Unusable as why:
        again = f"study.model({number}, retrain=True)"
        again = command_line("resume", directory) if is_waiting else again  # it is to train on
        raise _unusable(f"of trial {number}", why, again) from why
    if leaves is None:
        _check_ended(trial)
        raise _not_kept(trial, checkpoints.kept)
    return _models(record, origin.build(record, directory)).named(trial, leaves)


def keeps(record: Record, directory: Path, number: int) -> bool:
    """Whether the weights of a trial are kept, or those with which it waits to continue."""
    trial = record.trials.get(number)
    is_waiting = trial is not None and not trial.state.is_final
    return is_waiting or number in Checkpoints.read(directory).kept


def _waiting(record: Record, checkpoints: Checkpoints, trial: Trial) -> Leaves | None:
    """The variables of a trial that has not ended, after all that was measured; None without.

    Raises:
        Unusable: the file is not the one that was stored.
    """
    measured = record.num_measured(trial.number)
    snapshot = checkpoints.snapshot(trial.number, measured)
    if snapshot is None or snapshot.epoch != measured:
        return None
    return network_of(snapshot, record.settings.evaluation.is_single)


def retrained(
    record: Record,
    directory: Path,
    number: int,
    origin: Origin,
    data: Any,
    again: Mapping[str, Any],
) -> Any:
    """The model of a retrained trial; arguments as in `paceline.report.Study.model`.

    Raises:
        InvalidInput: there is no such trial, or something from memory was not passed again.
        StudyMismatch: build or data differ from those of the study.
        PacelineError: the training fails.
    """
    trial = _known(record, directory, number)
    _check_ended(trial)
    definition = origin.held if origin.given is None and data is None and not again else None
    if definition is None:
        given = {"build": origin.given, "data": data, **again}
        definition = define(
            {name: value for name, value in given.items() if value is not None},
            directory,
            Existing.read(directory),
            limits=Budget(),
            searches=False,
            trust=origin.trust,
        )
    plan = plan_networks(definition)
    plan.changes_since(record, None)
    return plan.models.named(trial, plan.retrain(trial))


def _models(record: Record, build: Build) -> Models:
    data = {} if record.created is None else record.created.data
    return Models.described(build, record.space, data, record.settings)


def load_file(path: Path) -> Any:
    """Loads a ``.keras`` file that needs no objects of the user and runs no code.

    Raises:
        InvalidInput: it cannot be loaded.
    """
    return _load(path, None, None, True)


def _load(path: Path, known: Mapping[str, Any] | None, custom_objects: Any, safe_mode: bool) -> Any:
    """Loads the model file of a study."""
    choose_backend()
    from paceline.train.saving import load

    if fault := fault_of(path, known):
        why = known["keras"]["reason"] if known else ""
        raise InvalidInput(
            f"{path} {fault}{f': {why}' if why else ''}", expected="best_model(build=build)"
        )
    try:
        return load(path, custom_objects, safe_mode)
    except Exception as error:
        message = " ".join(str(error).split())
        raise InvalidInput(
            f"{path} cannot be loaded ({type(error).__name__}: {message})",
            expected="what it needs: the code that registers its classes, custom_objects={...}, or "
            "safe_mode=False",
            fix="Or pass build= with the build function of the study.",
        ) from error


def _is_enough(known: Mapping[str, Any] | None) -> bool:
    """Whether the file alone is enough to load the right model, as far as is known."""
    keras = known["keras"] if known else {}
    return bool(keras.get("registered", True) and keras.get("safe", True))


def _unusable(whose: str, why: Unusable, again: str) -> InvalidInput:
    return InvalidInput(
        f"the weights {whose} cannot be used ({why})",
        expected="the file as it was written",
        fix=f"Made again: {again}",
    )


def _check_has_networks(record: Record, directory: Path) -> None:
    kind = None if record.created is None else record.created.data.get("kind")
    if kind is not None:
        what = "a function" if kind == "function" else "trials that its user runs"
        raise InvalidInput(
            f"study {directory} is of {what}, so Paceline has never seen its models",
            expected="a study of a build(hp) on data",
            fix="Save each model where you train it; study.best.number and study.best.config say "
            "which is the best.",
        )


def _no_model_yet(record: Record, directory: Path) -> InvalidInput:
    if record.best is None:
        return InvalidInput(
            f"study {directory} has no completed trial", expected="one that completed a trial"
        )
    return InvalidInput(
        f"study {directory} has not ended, and its best model is made at its end",
        expected="a study that ended",
        fix=f"Continue with: {command_line('resume', directory)}. The best so far is "
        f"study.model(study.best).",
    )


def _known(record: Record, directory: Path, number: int) -> Trial:
    """A trial of a study of networks, in its current space.

    Raises:
        InvalidInput: there is no such trial.
    """
    _check_has_networks(record, directory)
    if number not in record.trials:
        expected = (
            f"0 to {len(record.trials) - 1}" if record.trials else "a trial; the study has none yet"
        )
        raise InvalidInput(f"trial is {number}", expected=expected)
    if number in record.moved:
        raise InvalidInput(
            f"trial {number} was trained in a space that study {directory} does not have any more",
            expected="a trial of its current space (study.trials_dataframe() says which are)",
        )
    return record.trial(number)


def _check_ended(trial: Trial) -> None:
    """Refuses trials that did not end by themselves: they have no network to keep.

    Raises:
        InvalidInput: it is one.
    """
    if trial.state not in (TrialState.COMPLETED, TrialState.STOPPED):
        raise InvalidInput(
            f"trial {trial.number} is {trial.state}",
            expected="one that completed, was stopped, or waits after an epoch with a checkpoint",
        )


def _not_kept(trial: Trial, kept: tuple[int, ...]) -> InvalidInput:
    number, listed = trial.number, ", ".join(map(str, sorted(kept)))
    return InvalidInput(
        f"the weights of trial {number} are not kept"
        + (", which was stopped early" if trial.state is TrialState.STOPPED else ""),
        expected=f"one of the trials whose weights are: {listed}"
        if kept
        else "a trial whose weights are kept",
        fix=f"study.model({number}, retrain=True) trains it again; keep_models=10 keeps the "
        f"ten best of a study, of which completed trials come first.",
    )
