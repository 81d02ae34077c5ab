"""The command that shows what each technique brings: ``ladder``."""

from typing import Annotated

import typer

from paceline.cli import options as o
from paceline.cli.search import interruptible


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
    epochs: Annotated[int, typer.Option(help="Epochs of each training.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = 32,
    study: o.Study = None,
    seed: o.Seed = None,
    validation: o.Validation = 0.1,
    keep: o.Keep = "last",
    memory: o.Memory = None,
    data_dir: o.DataDir = None,
    target: o.Target = None,
    task: o.Task = None,
    test: o.Test = None,
    groups: o.Groups = None,
    display: o.Display = True,
) -> None:
    """Show what each technique brings.

    One network for each rung, changed in one thing from rung to rung, each trained on several
    seeds: test scores with intervals, and which steps are real.

    Called again with the same arguments and --study, it goes on where it stopped.
    """
    import paceline
    from paceline.comparison import printing
    from paceline.core import InvalidInput
    from paceline.report.terminal import console
    from paceline.study.plan.backend import choose_backend
    from paceline.study.plan.user_code import import_name

    given = o.data_of(data)
    choose_backend()
    found = import_name(rungs)
    if not isinstance(found, dict):
        raise InvalidInput(
            f"{rungs} is a {type(found).__name__}",
            expected="a dict: {'plain': build_plain, 'dropout': build_dropout}",
        )
    directory = o.study_of(study, f"ladder-{given.rsplit('/')[-1]}")
    with interruptible():
        made = paceline.ladder(
            found,
            given,
            seeds=seeds,
            objective=o.objective_of(objective),
            epochs=epochs,
            batch_size=batch_size,
            study=directory,
            seed=seed,
            validation=validation,
            keep=keep,
            memory=memory,
            display="auto" if display else False,
            **o.data_options(data_dir, target, task, test, groups=groups),
        )
    printing.show_ladder(made, console())
