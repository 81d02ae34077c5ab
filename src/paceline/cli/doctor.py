"""The command that checks a study's directory."""

from typing import Annotated

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo

_WRONG, _UNREADABLE = 1, 2


def doctor(
    study: o.StudyArgument,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Make a new database of what can be read; the damaged one is kept."
        ),
    ] = False,
) -> None:
    """Check a study: what is wrong, and what to do about it.

    Its database and events, checkpoints, best model, what a killed process left, and the versions
    it was made with. Nothing is changed without --repair. Exit code 0: nothing is wrong; 1:
    something is, but the study can be read;
    2: it cannot be read.
    """
    from paceline.study.health import doctor as doctors

    found = doctors.repair(study) if repair else doctors.examine(study)
    echo(str(found))
    if not found.is_healthy:
        raise typer.Exit(_WRONG if found.is_readable else _UNREADABLE)
