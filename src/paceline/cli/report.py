"""The command that writes the report."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo


def report(
    study: o.StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="[default: report.html in the study]"),
    ] = None,
) -> None:
    """Write a study's report: one HTML file.

    It holds everything it shows and opens without the network. While the study runs it says how
    things stand.
    """
    from paceline.report.document import write_report

    echo(f"The report is {write_report(study, output)}; open it in a browser.")
