"""The commands that search: ``demo``, ``tune`` and ``resume``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.watch import watched

_DEMO = {"activation": "relu", "batch_norm": "no", "optimizer": "adam", "units": "64"}


def demo(
    study: o.Study = None,
    trials: Annotated[int, typer.Option(help="How many configurations to try.")] = 32,
    epochs: Annotated[str, typer.Option(help="Epochs of each trial.")] = "10",
    display: o.Display = True,
) -> None:
    """Tune a small network on handwritten digits.

    Takes well under a minute, and no download.
    """
    echo(
        f"{trials} configurations of a small network learn to read handwritten digits. Those that "
        f"share a structure "
        "train side by side, as one compiled program.",
        err=True,
    )
    _search(
        o.study_of(study, "demo"),
        "mlp",
        "digits",
        epochs=o.loop_numbers("epochs", epochs),
        trials=trials,
        seed=1,
        fixed=_DEMO,
        display=display,
    )


def tune(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    objective: o.Objective = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            help="Epochs of each trial; 5,10 makes it a hyperparameter. Of a function objective: "
            "the steps that a full "
            "run reports.  [default: 10]",
        ),
    ] = None,
    batch_size: Annotated[
        str, typer.Option(help="Rows in a batch; 32,64 makes it a hyperparameter.")
    ] = "32",
    validation_batch_size: o.ValidationBatchSize = None,
    trials: o.Trials = None,
    budget: o.Budget = None,
    search: Annotated[
        str, typer.Option(help="Where to look next: auto, random, sobol, cmaes or grid.")
    ] = "auto",
    schedule: o.Schedule = "auto",
    study: o.Study = None,
    seed: o.Seed = None,
    validation: o.Validation = 0.1,
    patience: o.Patience = None,
    keep: o.Keep = "last",
    repeats: o.Repeats = 1,
    folds: o.Folds = None,
    final: o.Final = "auto",
    prefer: o.Prefer = None,
    refit: o.Refit = None,
    keep_models: o.KeepModels = None,
    memory: o.Memory = None,
    class_weight: o.ClassWeight = None,
    data_dir: o.DataDir = None,
    target: o.Target = None,
    task: o.Task = None,
    test: o.Test = None,
    groups: o.Groups = None,
    shuffle: o.Shuffle = None,
    standardize: o.Standardize = None,
    scale_target: o.ScaleTarget = None,
    decimal: o.Decimal = None,
    fixed: o.Set = None,
    workers: o.Workers = None,
    time_limit: o.TimeLimit = None,
    memory_limit: o.MemoryLimit = None,
    change_space: o.ChangeSpace = False,
    display: o.Display = True,
    watch: o.Watch = False,
) -> None:
    """Search for the best configuration.

    Of a build function (model.py:build) or a built-in network (--model mlp); without --data, of any
    function of hp that trains and measures by itself and returns a number (train.py:objective).

    Called again with the same arguments and --study, it goes on where it stopped.
    """
    what, values = o.build_of(build, model), o.pairs(fixed)
    is_function = data is None and model is None
    name = what.rpartition(":")[2] if is_function else o.data_of(data)
    _search(
        o.study_of(study, name),
        what,
        data,
        objective=o.objective_of(objective),
        epochs=None if epochs is None else o.loop_numbers("epochs", epochs),
        batch_size=o.loop_numbers("batch_size", batch_size),
        validation_batch_size=validation_batch_size,
        trials=trials,
        budget=budget,
        search=search,
        schedule=schedule,
        seed=seed,
        validation=validation,
        patience=patience,
        keep=keep,
        memory=memory,
        repeats=repeats,
        folds=folds,
        final=o.final_of(final),
        prefer=prefer,
        refit=refit,
        keep_models=keep_models,
        class_weight=o.class_weights(class_weight),
        fixed={name: o.value_of(text) for name, text in values.items()} if is_function else values,
        workers=workers,
        time_limit=time_limit,
        memory_limit=memory_limit,
        change_space=change_space,
        display=display,
        watch=watch,
        **o.data_options(
            data_dir,
            target,
            task,
            test,
            shuffle=shuffle,
            standardize=standardize,
            scale_target=scale_target,
            decimal=decimal,
            groups=groups,
        ),
    )


def resume(
    study: o.StudyArgument,
    trials: Annotated[
        int | None, typer.Option(help="The new total of trials.  [default: as at first]")
    ] = None,
    budget: o.Budget = None,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    keep_models: o.KeepModels = None,
    memory: o.Memory = None,
    data_dir: o.DataDir = None,
    trust: o.Trust = False,
    change_space: o.ChangeSpace = False,
    display: o.Display = True,
    watch: o.Watch = False,
) -> None:
    """Go on with a study.

    One that was interrupted or killed, or a finished one that is to have more trials.
    """
    from paceline import api

    def go(trust: bool) -> None:
        api.resume(
            study,
            build,
            data,
            trials=trials,
            budget=budget,
            keep_models=keep_models,
            memory=memory,
            display=display,
            trust=trust,
            change_space=change_space,
            **o.data_options(data_dir, None, None, None),
        )

    with interruptible(), watched(study, watch):
        asking(go, trust)
    _tell(study)


def finish(
    study: o.StudyArgument,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    memory: o.Memory = None,
    data_dir: o.DataDir = None,
    trust: o.Trust = False,
    display: o.Display = True,
    watch: o.Watch = False,
) -> None:
    """End a search here.

    Nothing more is tried: the final is held on what was measured, and the best model is saved and
    tested. `resume` with more --trials goes on all the same.
    """
    from paceline import api

    def go(trust: bool) -> None:
        options = o.data_options(data_dir, None, None, None)
        api.finish(study, build, data, memory=memory, display=display, trust=trust, **options)

    with interruptible(), watched(study, watch):
        asking(go, trust)
    _tell(study)


T = TypeVar("T")


def asking(go: Callable[[bool], T], trust: bool) -> T:
    """Does something that may run code that a study names; on a terminal it is asked whether it
    may.

    Args:
        go: does it, given whether the code is trusted.
        trust: whether that was said already.

    Raises:
        InvalidInput: it may not.
    """
    from paceline.study.resume.trust import NotTrusted

    try:
        return go(trust)
    except NotTrusted as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        echo(f"{error.passed}. {error.fix}", err=True)
        if not typer.confirm("Run it?", default=False, err=True):
            raise
    return go(True)


@contextmanager
def interruptible() -> Iterator[None]:
    """A second Ctrl+C ends the process at once; the first one is explained by the error that it
    raises.
    """
    from paceline.core import interrupts

    with interrupts.handled(interrupts.exit_now):
        yield


def _search(study: Path, build: str, data: str | None, watch: bool = False, **asked: Any) -> None:
    from paceline import api

    with interruptible(), watched(study, watch):
        api.tune(build, data, study=study, **asked)
    _tell(study)


def _tell(study: Path) -> None:
    from paceline.report import read, text
    from paceline.report.terminal import console

    text.result(read(study), console())
