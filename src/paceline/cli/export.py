"""The command that exports a study to another tool."""

from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo

if TYPE_CHECKING:
    from paceline.exporters import Exporter

TARGETS = ("csv", "json", "parquet", "tensorboard", "mlflow", "wandb", "optuna")


def export(
    study: o.StudyArgument,
    to: Annotated[str, typer.Option(metavar="TOOL", help=f"One of {', '.join(TARGETS)}.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="WHERE",
            help="A directory; for mlflow its tracking URI, for optuna the URL of its storage. "
            "[default: in the study; mlflow: its own setting]",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The experiment of mlflow, the project of wandb, the study of optuna.",
        ),
    ] = None,
) -> None:
    """Export a study to another tool, while it runs or afterwards.

    What was exported before is not exported twice.
    """
    from paceline.exporters import export as export_study

    export_study(study, exporter := _exporter(to, output, name))
    echo(f"Exported to {exporter.place}.")


def _exporter(to: str, output: str | None, name: str | None) -> "Exporter":
    """The exporter of a tool.

    Raises:
        InvalidInput: there is no such tool, its library is missing, or it has no names.
    """
    from paceline import exporters
    from paceline.core import InvalidInput, did_you_mean

    tool = to.strip().lower()
    if name is not None and tool in ("csv", "json", "parquet", "tensorboard"):
        raise InvalidInput(f"--name is {name!r}", expected=f"none: {tool} has files only")
    match tool:
        case "csv" | "json" | "parquet":
            return exporters.Tables(output, tool)
        case "tensorboard":
            return exporters.TensorBoard(output)
        case "mlflow":
            return exporters.MLflow(output, name)
        case "wandb":
            return exporters.WandB(name, directory=output)
        case "optuna":
            return exporters.OptunaStorage(output, name)
    expected, fix = f"one of {', '.join(TARGETS)}", did_you_mean(tool, TARGETS)
    raise InvalidInput(f"--to is {to!r}", expected=expected, fix=fix)
