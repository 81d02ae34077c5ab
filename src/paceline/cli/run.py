"""The command `run`: an unchanged script of KerasTuner."""

import sys
import warnings
from typing import Annotated, TextIO

import typer


def run(
    script: Annotated[str, typer.Argument(help="A Python script.", metavar="SCRIPT.py")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Its own arguments.", metavar="[ARGUMENTS]...")
    ] = None,
) -> None:
    """Run a script for KerasTuner, unchanged, as a study.

    keras_tuner need not be installed. Trials train together where the script allows it.
    """
    from paceline.compat.keras_tuner.script import run_script

    warnings.showwarning = _show  # as in Python; the terminal's own commands show texts alone
    if code := run_script(script, arguments or []):
        raise typer.Exit(code)


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Shows a warning as Python does."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)
