"""The command that compares ways to search: ``compare``."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible


def compare(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    search: Annotated[
        str, typer.Option(metavar="NAME,...", help="Search strategies.")
    ] = "random,sobol,grid,bayes",
    schedule: Annotated[
        str, typer.Option(metavar="NAME,...", help="Schedules, each with each search.")
    ] = "full",
    seeds: Annotated[
        int, typer.Option(help="How many runs of each, on other seeds and splits.")
    ] = 5,
    objective: o.Objective = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial.  [default: 10]")] = None,
    batch_size: Annotated[
        str, typer.Option(help="Rows in a batch; 32,64 makes it a hyperparameter.")
    ] = "32",
    trials: Annotated[int | None, typer.Option(help="How many trials each run has.")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long each run may take: 90s, 5m, 1h.")
    ] = None,
    directory: o.Study = None,
    validation: o.Validation = 0.1,
    keep: o.Keep = "last",
    memory: o.Memory = None,
    data_dir: o.DataDir = None,
    target: o.Target = None,
    task: o.Task = None,
    test: o.Test = None,
    groups: o.Groups = None,
    fixed: o.Set = None,
    display: o.Display = True,
) -> None:
    """Compare search strategies and schedules.

    On one task, with the same budget and on the same seeds: which is ahead, and is it more than
    luck? The task is a build function or a built-in network with --data, or any function of hp that
    trains and measures by itself.

    Called again with the same arguments and --directory, it goes on where it stopped.
    """
    import paceline
    from paceline.comparison import printing
    from paceline.report.terminal import console

    what, values = o.build_of(build, model), o.pairs(fixed)
    name = what.rpartition(":")[2] if data is None else data
    path = o.study_of(directory, f"compare-{Path(name).name}")
    with interruptible():
        found = paceline.compare(
            what,
            data,
            objective=o.objective_of(objective),
            searches=names("search", search),
            schedules=names("schedule", schedule),
            seeds=seeds,
            trials=trials,
            budget=budget,
            epochs=epochs,
            batch_size=o.loop_numbers("batch_size", batch_size),
            directory=path,
            validation=validation,
            keep=keep,
            memory=memory,
            display="auto" if display else False,
            say=_say,
            fixed={key: o.value_of(told) for key, told in values.items()}
            if data is None and model is None
            else values,
            **o.data_options(data_dir, target, task, test, groups=groups),
        )
    printing.show(found, console())


def names(option: str, text: str) -> list[str]:
    """``"random,bayes"`` as a list.

    Raises:
        InvalidInput: no name, or one given twice.
    """
    from paceline.core import InvalidInput

    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found or len(set(found)) < len(found):
        raise InvalidInput(
            f"--{option} is {text!r}", expected="different names, such as random,bayes"
        )
    return found


def _say(line: str) -> None:
    echo(line, err=True)
