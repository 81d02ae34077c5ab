"""The command that measures the effect of each technique: ``ladder``."""

from typing import Annotated, Any

import typer

from paceline.cli import options as o
from paceline.cli.search import interruptible
from paceline.cli.settings_options import DATA, given, takes_settings


@takes_settings((*DATA, "epochs", "batch_size", "seed", "validation", "keep", "memory", "merge"))
def ladder(
    rungs: Annotated[
        str,
        typer.Argument(
            metavar="MODEL.PY:RUNGS",
            help="A Python file and its dict of functions build(hp), by name.",
        ),
    ],
    data: o.Data = None,
    seeds: Annotated[
        int, typer.Option(help="On how many seeds and splits each rung is trained.")
    ] = 5,
    objective: o.Objective = None,
    study: o.Study = None,
    display: o.Display = True,
    **settings: Any,
) -> None:
    """Show what each technique brings.

    One network for each rung, changed in one thing from rung to rung, each trained on several
    seeds: test scores with intervals, and which steps are real.

    Called again with the same arguments and --study, it continues where it stopped.
    """
    import paceline
    from paceline.comparison import printing
    from paceline.core import InvalidInput
    from paceline.report.terminal import console
    from paceline.study.plan.backend import choose_backend
    from paceline.study.plan.user_code import import_name

    source = o.data_of(data)
    choose_backend()
    found = import_name(rungs)
    if not isinstance(found, dict):
        raise InvalidInput(
            f"{rungs} is a {type(found).__name__}",
            expected="a dict: {'plain': build_plain, 'dropout': build_dropout}",
        )
    directory = o.study_of(study, f"ladder-{source.rsplit('/')[-1]}")
    with interruptible():
        made = paceline.ladder(
            found,
            source,
            seeds=seeds,
            objective=o.objective_of(objective),
            study=directory,
            display="auto" if display else False,
            **given(settings),
        )
    printing.show_ladder(made, console())
