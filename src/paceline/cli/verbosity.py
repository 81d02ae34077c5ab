"""The options ``-v`` and ``-q`` of every command that runs a study."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class LoggedCommand(TyperCommand):
    """A command with ``--verbose`` and ``--quiet``, if it has ``--display``.

    They are applied before the command runs, and not passed to it.
    """

    _verbosity: list[Any] | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, these two, and help."""
        *own, help_option = super().get_params(ctx)
        if all(one.name != "display" for one in own):
            return [*own, help_option]
        if self._verbosity is None:
            self._verbosity = _parameters()
        return [*own, *self._verbosity, help_option]

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        verbose, quiet = ctx.params.pop("verbose", 0), ctx.params.pop("quiet", False)
        if verbose or quiet:
            _apply(verbose, quiet, ctx.params)
        return super().invoke(ctx)


def _parameters() -> list[Any]:
    """Click's parameters of the two options, as Typer makes them from a signature."""

    def command(
        verbose: Annotated[
            int,
            typer.Option(
                "--verbose",
                "-v",
                count=True,
                show_default=False,
                metavar="",
                help="Log what happens to standard error; -vv: decisions, too.",
            ),
        ] = 0,
        quiet: Annotated[
            bool,
            typer.Option("--quiet", "-q", help="Show no progress and no notes, only errors."),
        ] = False,
    ) -> None: ...

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command)
    return list(typer.main.get_command(app).params)


def _apply(verbose: int, quiet: bool, params: dict[str, Any]) -> None:
    import logging

    from paceline.core.logs import log_to_terminal

    if quiet:
        if verbose:
            raise typer.BadParameter("-v and -q exclude each other")
        params["display"] = False
        log_to_terminal(logging.ERROR)
        return
    # off a terminal, progress is in the log then
    params["display"] = "auto" if params["display"] else False
    log_to_terminal(logging.INFO if verbose == 1 else logging.DEBUG)
