"""The command line application: all commands, and how their errors are shown.

Heavy modules are imported by the commands that need them, so that ``paceline --help`` is fast.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from paceline import __version__
from paceline.cli import (
    ablate,
    cluster,
    compare,
    doctor,
    export,
    ladder,
    look,
    recipe,
    report,
    run,
    search,
    single,
    warm,
    watch,
    worker,
)
from paceline.cli.echo import echo
from paceline.cli.settings_options import SettingsCommand

INTERRUPTED = 130  # as in `paceline.core.interrupts`, which is slow to import
REFUSED = 2


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Shows warnings as plain sentences in the block; a study's warnings are its notes already."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        from paceline.core import StudyWarning

        if not issubclass(category, StudyWarning):
            echo(f"Warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


class Commands(TyperGroup):
    """Shows errors as messages with exit code 2, and Ctrl+C with exit code 130."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            with plain_warnings():
                return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as error:
            echo(f"\n{error}" if str(error) else "\nStopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            from paceline.core import PacelineError

            if not isinstance(error, PacelineError):
                raise
            echo(f"Error: {error}", err=True)
            raise typer.Exit(REFUSED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    search.demo,
    search.tune,
    single.train,
    look.show,
    watch.watch,
    report.report,
    export.export,
    search.resume,
    search.finish,
    doctor.doctor,
    ablate.ablate,
    compare.compare,
    ladder.ladder,
    look.data,
    cluster.cluster,
    warm.warm,
    worker.worker,
):
    app.command(cls=SettingsCommand)(command)
app.command("list", cls=SettingsCommand)(look.list_studies)
app.command(
    cls=SettingsCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(run.run)
app.add_typer(recipe.app, name="recipe")


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"paceline {__version__}")
        raise typer.Exit


@app.callback()
def paceline(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Finds good hyperparameters for neural networks: trains many candidates together."""
