"""The command that compares ways to search: ``compare``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible
from paceline.cli.settings_options import DATA, given, takes_settings


@takes_settings(
    (*DATA, "epochs", "batch_size", "trials", "budget", "validation", "keep", "memory", "merge")
)
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
    directory: o.Study = None,
    fixed: o.Set = None,
    display: o.Display = True,
    **settings: Any,
) -> None:
    """Compare search strategies and schedules.

    On one task, with the same budget and on the same seeds: which is ahead, and is it more than
    luck? The task is a build function or a built-in network with --data, or any function of hp that
    trains and measures by itself.

    Called again with the same arguments and --directory, it continues where it stopped.
    """
    import paceline
    from paceline.comparison import printing
    from paceline.report.terminal import console
    from paceline.settings.typed import untyped_value

    what, values, asked = o.build_of(build, model), o.pairs(fixed), given(settings)
    if values:
        typed = {key: untyped_value(text) for key, text in values.items()}
        asked["fixed"] = typed if data is None and model is None else values
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
            directory=path,
            display="auto" if display else False,
            say=_say,
            **asked,
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
