"""A project whose trials have trained together, and whose search goes on with other arguments.

As in KerasTuner, the trials that are left train with the new arguments and are ranked with the
earlier ones. The trials of a study that train together have the same data, epochs and callbacks. So
the others run one by one: the project becomes one of such trials, see `.oracle_files`. It also does
where a trial cannot train together with the others, as its build has shown. A project in which
nothing was measured begins anew.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.loop_names import NAMES
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.oracle_state import OracleState
from paceline.compat.keras_tuner.engine.own_state import difference_in
from paceline.compat.keras_tuner.engine.project import ANEW, trained_alone
from paceline.compat.keras_tuner.engine.stateful import save_json
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.core import PacelineError, StudyMismatch
from paceline.report import Study
from paceline.settings.function import NETWORKS
from paceline.space import HyperParameters as Definitions
from paceline.store import has_study, lock, open_store
from paceline.store.paths import CHECKPOINTS, LOCK
from paceline.study.record.record import Record
from paceline.study.record.replay import fold

_EARLIER = "trained_together"  # the folder of the study of the earlier trials
_STUDY = "study.db"


def has_measured(record: Record) -> bool:
    """Whether any epoch was measured in a study."""
    return any(one.measurements for one in record.trials.values())


def begin_anew(tuner: Any, difference: StudyMismatch) -> None:
    """Deletes a project in which nothing was measured.

    Raises:
        StudyMismatch: something has been measured since.
        StudyLocked: another process writes it.
    """
    project: Path = tuner._path
    with closing(open_store(project, writable=True)) as store:
        if has_measured(fold(store).record):
            raise difference
        warn_once(
            f"anew: {project}: {difference.passed}",
            f"{difference.passed} (expected {difference.expected}). Nothing was measured in "
            f"{project}, so it begins anew.",
        )
        _remove_trials(project)
        shutil.rmtree(project / CHECKPOINTS, ignore_errors=True)
        (project / NAMES).unlink(missing_ok=True)
        store.discard()  # last: what a kill leaves is a project in which nothing was measured
    tuner._forget()


def builds_as_before(tuner: Any) -> bool:
    """Whether ``build(hp)`` asks for the hyperparameters that a trial of the project has."""
    study: Study = tuner.study
    known = next((one for one in study.trials if one.measurements), None)
    if known is None:
        return False
    hp = Definitions(study.space, known.config)
    try:
        tuner._build_together(hp)
    except Exception:  # what differs is the error to show
        return False
    return not hp.joined and known.config.keys() <= {*hp.used, "batch_size", "epochs"}


def go_on_alone(tuner: Any, difference: StudyMismatch) -> None:
    """Makes a project one whose trials run one by one, with other arguments.

    Raises:
        StudyMismatch: it has been replaced by another one, or was begun with other brackets.
        StudyLocked: another process writes it.
    """
    with _locked(tuner._path):
        # other processes may have added to it, or replaced it
        if not tuner._take_up():
            raise difference
        tuner.oracle._check_brackets(tuner._study)
        warn_once(
            f"goes on: {tuner.project_dir}: {difference.passed}",
            f"{difference.passed} (expected {difference.expected}). The trials that are left train "
            "with these arguments, one by one, and are ranked with the earlier ones, as in "
            "KerasTuner. With overwrite=True the project begins anew.",
        )
        _convert(tuner)


def earlier_difference(tuner: Any) -> RunsAlone | None:
    """Why the trials of a project cannot train together, where the change was interrupted."""
    found = (difference_in(one.message) for one in tuner.oracle.trials.values())
    return next((one for one in found if one is not None), None)


def repeat_alone(tuner: Any, reason: RunsAlone) -> None:
    """Makes a project one whose trials run one by one, those that failed for that reason again.

    Raises:
        StudyLocked: another process writes it.
    """
    warn_once(f"alone: {reason}", reason.message)
    if not has_study(tuner._path):  # the first builds have shown it
        return
    with _locked(tuner._path):
        if tuner._take_up():
            _convert(tuner)


def _convert(tuner: Any) -> None:
    """Makes a project one of single trials."""
    oracle = tuner.oracle
    _remove_trials(tuner._path)  # their ids depend on max_trials, which may have been another
    for name, trial in oracle.trials.items():
        oracle.trials[name] = _going_on(tuner, trial)
        oracle._save_trial(oracle.trials[name])
        oracle.trials[name].measured = None  # the project has all of it
    oracle._continue_trials()
    oracle.save()  # from here on its trials run one by one
    _move_study(tuner._path)
    tuner._study = None


def _going_on(tuner: Any, trial: Trial) -> Trial:
    """A trial as it is in a project of single trials: with its result, or to be run."""
    oracle: OracleState = tuner.oracle
    if trial.status == TrialStatus.COMPLETED:
        has_weights = _keep_weights(tuner, trial)
        if not has_weights and oracle.schedule != "full":  # later rounds begin with them
            oracle.end_order.remove(trial.trial_id)
            return oracle._from_start(trial)
    elif trial.status == TrialStatus.RUNNING:  # stopped in its training, or between two rounds
        if not (oracle._has_ended_round(trial) and _keep_weights(tuner, trial)):
            return oracle._from_start(trial)
        trial.status = TrialStatus.COMPLETED
        oracle.end_order.append(trial.trial_id)
    elif difference_in(trial.message) is not None:  # its build has changed what `fit` reads
        oracle.end_order.remove(trial.trial_id)
        return oracle._from_start(trial)
    return trial


def _remove_trials(project: Path) -> None:
    """Removes the files of single trials, where a kill has prevented that they are the project."""
    for path in project.glob("trial_*/trial.json"):
        shutil.rmtree(path.parent)


def check_alone(project: Path) -> None:
    """Refuses to run trials one by one in a project whose trials train together.

    Raises:
        StudyMismatch: it is one.
    """
    if has_study(project) and not trained_alone(project):
        raise StudyMismatch(
            f"the trials of {project} have trained together, and this search cannot",
            expected="a search as before",
            fix=ANEW,
        )


def set_aside(project: Path) -> None:
    """Moves the study of earlier trials away, where a project has become one of single trials.

    Raises:
        StudyLocked: another process writes it.
    """
    if _is_of_networks(project):
        with _locked(project):
            _move_study(project)


def _is_of_networks(project: Path) -> bool:
    """Whether a project of single trials has a study that has begun and trained them together."""
    if not (trained_alone(project) and has_study(project)):
        return False
    study = Study.open(project)
    return study.record.created is not None and study.settings.function.kind == NETWORKS


def _move_study(project: Path) -> None:
    """Moves the study away, over nothing that is there.

    Its database is moved last, so that a move that was interrupted is completed the next time.
    """
    earlier = project / _EARLIER
    if not _is_of_networks(project) or (earlier / _STUDY).exists():
        return
    earlier.mkdir(exist_ok=True)
    stay = (_EARLIER, "oracle.json", LOCK)
    moved = [one for one in project.iterdir() if one.name not in stay]
    for path in sorted(moved, key=lambda one: one.name == _STUDY):
        if not (path.name.startswith("trial_") or (earlier / path.name).exists()):
            shutil.move(path, earlier / path.name)


@contextmanager
def _locked(project: Path) -> Iterator[None]:
    """No other process writes the study of a project while the block runs."""

    def writer() -> Any:
        with closing(open_store(project, writable=False)) as store:
            return store.value("writer")

    taken = lock(project, writer)
    try:
        yield
    finally:
        taken.release()


def _keep_weights(tuner: Any, trial: Trial) -> bool:
    """Writes the weights of a trial to where those of single trials are, if they are known."""
    try:
        model = tuner.load_model(trial)
    except PacelineError:  # they were not kept, and their training cannot be repeated
        return False
    save_json(tuner._get_build_config_fname(trial.trial_id), model.get_build_config())
    model.save_weights(tuner._get_checkpoint_fname(trial.trial_id))
    return True
