"""`resume`, `finish` and `ablate`: what is done with a study that is there."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from paceline.api.running import Show, refuse, show_of, watched, watched_function
from paceline.callbacks import callbacks_of
from paceline.core import Budget, InvalidInput, checks, knows_its_arguments, process_state
from paceline.data import OPTIONS
from paceline.report import Study
from paceline.report.going_on import interruptible
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.store import study_directory
from paceline.study import make_plan
from paceline.study.ablation import measure_ablation
from paceline.study.request import Buildable
from paceline.study.resume.existing import Existing
from paceline.study.resuming import function_of, limits_of, request_of


@knows_its_arguments(*OPTIONS)
@process_state.preserved()
def resume(
    study: str | os.PathLike[str],
    build: Buildable | None = None,
    data: Any = None,
    *,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy = "auto",
    schedule: str | Schedule = "auto",
    validation: Any = None,
    class_weight: Mapping[Any, float] | Sequence[float] | str | None = None,
    folds: Any = None,
    groups: Any = None,
    keep_models: int | None = None,
    memory: int | str | None = None,
    display: Show = "auto",
    trust: bool = False,
    change_space: bool = False,
    **data_options: Any,
) -> Study:
    """Goes on with a study that was interrupted or killed, or gives a finished one more to do.

    Example::

        paceline.resume("runs/mnist", build, trials=128)

    Nothing that was measured is lost or run again. All settings come from the study. What had been
    passed from memory (a function, arrays) cannot be stored and has to be passed again.

    Args:
        study: the study's directory.
        build: as in `tune`; None to find it again, where it was a file's function or a built-in
            network.
        data: as in `tune`; None to find them again, where they were a name or a path.
        trials: the new total; None for what was asked for first.
        budget: wall time of this call; None for what is left of the study's.
        search, schedule: as in `tune`; ``"auto"`` for the study's. A strategy or schedule of your
            own has to be passed again unless its class is registered; with another one the study
            goes on with that from here.
        validation: as in `tune`, where it was ``(x_val, y_val)``.
        class_weight: as in `tune`; None for the study's.
        folds: as in `tune`, where they were neither a number nor a splitter of scikit-learn.
        groups: as in `tune`, where they were no column's name.
        keep_models: as in `tune`, from now on; None for as many as before.
        memory: as in `tune`; None for the study's.
        display: as in `tune`.
        trust: whether a Python file that the study names as the source of ``build`` may be run
            although this user has
            not named it: of a study that somebody else made. A file in the study's own directory is
                run only so.
        change_space: as in `tune`: whether ``build`` may ask for another space than that of the
            study.
        **data_options: as in `tune`; what is not passed is taken from the study.

    Raises:
        InvalidInput: there is no study, build or data were not stored, the study names code that
            may not be run, or its budget is used up.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    display = show_of(display)
    trust = checks.flag("trust", trust)
    existing = Existing.begun(study_directory(study))
    limits = limits_of(existing, trials, budget)
    if existing.kind is not None:
        _refuse_all(
            data=data,
            validation=validation,
            class_weight=class_weight,
            folds=folds,
            groups=groups,
            memory=memory,
            keep_models=keep_models,
            **data_options,
        )
        task = function_of(
            existing,
            build,
            budget=limits,
            search=search,
            schedule=schedule,
            trust=trust,
            change_space=change_space,
        )
        return watched_function(task, display)
    request = request_of(
        existing,
        build,
        data,
        budget=limits,
        search=search,
        schedule=schedule,
        validation=validation,
        class_weight=class_weight,
        folds=folds,
        groups=groups,
        memory=memory,
        keep_models=keep_models,
        data_options=data_options,
        trust=trust,
        change_space=change_space,
    )
    return watched(request, display)


def _refuse_all(**options: Any) -> None:
    """Refuses what belongs to a study of networks on data; None is what is left out."""
    expected = "left out, since its data and models are its own"
    refuse(
        "with a study of a function",
        expected,
        **{name: (given, None) for name, given in options.items()},
    )


@knows_its_arguments(*OPTIONS)
@process_state.preserved()
def finish(
    study: str | os.PathLike[str],
    build: Buildable | None = None,
    data: Any = None,
    *,
    validation: Any = None,
    class_weight: Mapping[Any, float] | Sequence[float] | str | None = None,
    folds: Any = None,
    groups: Any = None,
    memory: int | str | None = None,
    display: Show = "auto",
    trust: bool = False,
    **data_options: Any,
) -> Study:
    """Ends a search that was interrupted or killed: nothing more is tried, and the winner is chosen
    now.

    Example::

        study = paceline.finish("runs/mnist", build)
        study.best.config, study.best_model()

    The final is held on what was measured (where the study has one), and the best model is saved
    and tested. Trials that were under way are left as they are; `resume` with more ``trials`` goes
    on with them.

    Args:
        study: the study's directory.
        build, data, validation, class_weight, folds, groups, memory, display, trust,
        **data_options: as in `resume`.

    Raises:
        InvalidInput: there is no study, nothing was measured yet, or build or data were not stored.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    display = show_of(display)
    trust = checks.flag("trust", trust)
    existing = Existing.begun(study_directory(study))
    trials = existing.record.all_trials()
    if not any(trial.measurements for trial in trials):
        raise InvalidInput(
            f"study {existing.directory} has measured nothing yet",
            expected="a study with at least one measured epoch",
            fix="Resume it, so that a trial can train.",
        )
    limits = Budget(trials=len(trials))
    if existing.kind is not None:
        _refuse_all(
            data=data,
            validation=validation,
            class_weight=class_weight,
            folds=folds,
            groups=groups,
            memory=memory,
            **data_options,
        )
        task = function_of(existing, build, budget=limits, searches=False, trust=trust)
        return watched_function(task, display, search=False)
    request = request_of(
        existing,
        build,
        data,
        budget=limits,
        validation=validation,
        class_weight=class_weight,
        folds=folds,
        groups=groups,
        memory=memory,
        data_options=data_options,
        searches=False,
        trust=trust,
    )
    return watched(request, display, search=False)


@knows_its_arguments(*OPTIONS)
@process_state.preserved()
def ablate(
    study: str | os.PathLike[str],
    build: Buildable | None = None,
    data: Any = None,
    *,
    pairs: int = 8,
    validation: Any = None,
    folds: Any = None,
    groups: Any = None,
    display: Show = "auto",
    trust: bool = False,
    **data_options: Any,
) -> Study:
    """Measures what each change from the default configuration to the winner is worth, with real
    networks.

    Example::

        study = paceline.ablate("runs/mnist")
        study.ablation()

    The default configuration with one hyperparameter set as the winner has it, and the winner with
    one set back, train on the same fresh pairs of seed and split, all of them side by side. Nothing
    that was measured is measured again.

    Args:
        study: the directory of a study that has ended.
        build, data, validation, folds, groups, **data_options: as in `resume`, where they were
        passed from memory.
        pairs: fresh pairs of seed and split on which each of them trains.
        display: as in `tune`.
        trust: as in `resume`.

    Raises:
        InvalidInput: there is no such study, its best trial is the default configuration, or it is
            one of a function.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    display = show_of(display)
    trust = checks.flag("trust", trust)
    pairs = checks.whole_number("pairs", pairs, at_least=2)
    existing = Existing.begun(study_directory(study))
    directory = existing.directory
    if existing.kind is not None:
        raise InvalidInput(
            f"study {directory} is of a function", expected="a study of a build(hp) on data"
        )
    request = request_of(
        existing,
        build,
        data,
        budget=Budget(trials=len(existing.record.trials) or None),
        validation=validation,
        folds=folds,
        groups=groups,
        data_options=data_options,
        searches=False,
        trust=trust,
    )
    with interruptible(directory), callbacks_of((), display) as observer:
        measure_ablation(make_plan(request), directory, pairs, observer)
    return Study.open(directory)
