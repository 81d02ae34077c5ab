"""`resume`, `finish` and `ablate`: continue, end and analyse an existing study."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from paceline.api.running import Display, carry_out_study, directory_of, display_of
from paceline.callbacks import Callback, callbacks_of
from paceline.callbacks.of_keras import divided
from paceline.core import Budget, InvalidInput, checks, process_state, validates_argument_names
from paceline.report import Study
from paceline.report.continuation import interruptible
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.settings.function import ASKED, BY_HAND, NETWORKS
from paceline.settings.keywords import OF_TUNE, ResumeOptions, documented, names
from paceline.study.ablation import measure_ablation
from paceline.study.plan.defining import define
from paceline.study.plan.definition import Definition
from paceline.study.plan.limits import limits_of
from paceline.study.plan.network_plan import plan_networks
from paceline.study.plan.user_code import Buildable
from paceline.study.resume.existing import Existing


@validates_argument_names(*names(ResumeOptions))
@process_state.preserved()
@documented(*OF_TUNE)
def resume(
    study: str | os.PathLike[str] | Study,
    build: Buildable | None = None,
    data: Any = None,
    *,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy | None = None,
    schedule: str | Schedule | None = None,
    callbacks: Sequence[Callback | str] | None = (),
    display: Display = "auto",
    trust: bool = False,
    **options: Unpack[ResumeOptions],
) -> Study:
    """Continues a study that was interrupted or killed, or a finished one with more trials.

    Example::

        paceline.resume("runs/mnist", build, trials=128)

    Nothing that was measured is lost or run again. All settings come from the study. Objects that
    were passed from memory (a function, arrays) cannot be stored and have to be passed again.

    Args:
        study: the study's directory, or a study that was loaded.
        build: as in `tune`; None if it was a function in a file or a built-in network.
        data: as in `tune`; None if they were a name or a path.
        trials: the new total; None for the study's own.
        budget: wall time of this call; None for what is left of the study's.
        search, schedule: as in `tune`; None for the study's. One whose class is not registered has
            to be passed again; with another one the study continues with that.
        callbacks, display: as in `tune`.
        trust: whether a Python file that the study names as the source of ``build`` may be run
            although this user has not named it, as in a study of somebody else. A file in the
            study's own directory is only run then.
        {options}

    None stands for the study's value. A setting that would make trials incomparable cannot be
    changed.

    Raises:
        InvalidInput: there is no study, build or data were not stored, the study names code that
            may not be run, or its budget is used up.
        StudyMismatch: build or data are not those of the study, or a setting may not be changed.
        StudyLocked: another process is writing it.
    """
    display, (called, training) = display_of(display), divided(callbacks)
    trust = checks.flag("trust", trust)
    existing = _existing(study)
    of_keras = training or None
    given = _given(
        options, build=build, data=data, search=search, schedule=schedule, callbacks=of_keras
    )
    limits = limits_of(existing, trials, budget)
    definition = define(given, existing.directory, existing, limits=limits, trust=trust)
    return carry_out_study(definition, display, called)


@validates_argument_names(*names(ResumeOptions))
@process_state.preserved()
@documented(*OF_TUNE)
def finish(
    study: str | os.PathLike[str] | Study,
    build: Buildable | None = None,
    data: Any = None,
    *,
    callbacks: Sequence[Callback | str] | None = (),
    display: Display = "auto",
    trust: bool = False,
    **options: Unpack[ResumeOptions],
) -> Study:
    """Ends a search that was interrupted or killed: runs no more trials and chooses the winner.

    Example::

        study = paceline.finish("runs/mnist", build)
        study.best.config, study.best_model()

    The final evaluation is run on what was measured (where the study has one), and the best model
    is saved and tested. Trials that were running stay paused; `resume` with more
    ``trials`` continues with them.

    Args:
        study: the study's directory, or a study that was loaded.
        build, data, callbacks, display, trust: as in `resume`.
        {options}

    Raises:
        InvalidInput: there is no study, nothing was measured yet, or build or data were not stored.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    display, (called, training) = display_of(display), divided(callbacks)
    trust = checks.flag("trust", trust)
    existing = _existing(study)
    if not any(trial.measurements for trial in existing.record.all_trials()):
        raise InvalidInput(
            f"study {existing.directory} has measured nothing yet",
            expected="a study with at least one measured epoch",
            fix="Resume it, so that a trial can train.",
        )
    given = _given(options, build=build, data=data, callbacks=training or None)
    definition = _without_trials(existing, given, trust)
    return carry_out_study(definition, display, called, search=False)


@validates_argument_names(*names(ResumeOptions))
@process_state.preserved()
@documented(*OF_TUNE)
def ablate(
    study: str | os.PathLike[str] | Study,
    build: Buildable | None = None,
    data: Any = None,
    *,
    pairs: int = 8,
    callbacks: Sequence[Callback | str] | None = (),
    display: Display = "auto",
    trust: bool = False,
    **options: Unpack[ResumeOptions],
) -> Study:
    """Measures the effect of each change between the default configuration and the winner.

    Example::

        study = paceline.ablate("runs/mnist")
        study.ablation()

    The default configuration with one hyperparameter set to the winner's value, and the winner with
    one hyperparameter set back, train together on the same fresh pairs of seed and split. Existing
    measurements are reused.

    Args:
        study: the directory of a study that has ended.
        build, data, callbacks, display, trust: as in `resume`.
        pairs: fresh pairs of seed and split on which each of them trains.
        {options}

    Raises:
        InvalidInput: there is no such study, its best trial is the default configuration, or it
            tunes a function.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    display, (called, training) = display_of(display), divided(callbacks)
    trust = checks.flag("trust", trust)
    pairs = checks.whole_number("pairs", pairs, at_least=2)
    existing = _existing(study)
    directory = existing.directory
    if existing.kind != NETWORKS:
        raise InvalidInput(
            f"study {directory} is one of a function, which cannot be trained again",
            expected="a study of networks on data",
        )
    given = _given(options, build=build, data=data, callbacks=training or None)
    definition = _without_trials(existing, given, trust)
    with interruptible(directory), callbacks_of(called, display) as observer:
        measure_ablation(plan_networks(definition), directory, pairs, observer)
    return Study.open(directory, definition)


def _existing(study: str | os.PathLike[str] | Study) -> Existing:
    existing = Existing.begun(directory_of(study))
    if existing.kind == ASKED:
        created = existing.record.created
        name = BY_HAND if created is None else created.data["name"]
        is_by_hand = name == BY_HAND
        raise InvalidInput(
            f"the trials of study {existing.directory} are run by "
            f"{'its user' if is_by_hand else f'the {name}'}",
            expected=f"paceline.open_study({str(existing.directory)!r}), ask and tell"
            if is_by_hand
            else "its fit, with the same arguments and study=...",
        )
    return existing


def _without_trials(existing: Existing, given: Mapping[str, Any], trust: bool) -> Definition:
    """The definition of an existing study to which no trials will be added."""
    limits = Budget(trials=len(existing.record.trials))
    return define(given, existing.directory, existing, limits=limits, searches=False, trust=trust)


def _given(options: Mapping[str, Any], **named: Any) -> dict[str, Any]:
    """The arguments that were passed; None stands for the study's value."""
    return {name: value for name, value in {**named, **options}.items() if value is not None}
