"""The command that shows a study in the browser while it runs: ``watch``."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo

_SHORTEST_TOKEN = 8


def watch(
    study: o.StudyArgument,
    host: Annotated[
        str,
        typer.Option(
            help="The address to serve at; 0.0.0.0 for everyone who can reach this machine."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help="The port; 0 takes any that is free.  [default: 8642, or any if that is taken]"
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PACELINE_TOKEN",
            help="A token that the page requires.  [default: none on this machine; drawn and "
            "printed for other addresses]",
        ),
    ] = None,
) -> None:
    """Show a study in the browser while it runs.

    The panels of the report, kept up to date; also of a study that has ended. It only reads the
    study. The page may be closed and opened at any time. Ctrl+C ends the command.

    From another machine: use an SSH tunnel, or --host, which requires a token and is not encrypted.
    """
    from paceline.core import InvalidInput
    from paceline.core.commands import study_name
    from paceline.serving.address import listen
    from paceline.store import open_store
    from paceline.web.page_process import lower_priority
    from paceline.web.server import LivePage

    if token is not None and (
        len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isalnum()
    ):
        raise InvalidInput(
            "--token is not usable", expected=f"at least {_SHORTEST_TOKEN} letters and digits"
        )
    open_store(study, writable=False).close()
    address = listen(host, port)
    if token is None and not address.is_loopback:
        token = secrets.token_hex(16)
    lower_priority()
    with LivePage(study, address, token) as page:
        echo(f"Watching {study_name(study)}: {address.url(token)}\nCtrl+C ends it.")
        try:
            page.wait()
        except KeyboardInterrupt:
            echo("")


@contextmanager
def watched(study: Path, wanted: bool) -> Iterator[None]:
    """Serves the live page while the block runs, if ``wanted``."""
    if not wanted:
        yield
        return
    from paceline.core import command_line
    from paceline.serving.address import listen
    from paceline.web.page_process import page_beside

    address = listen()
    echo(f"Watch it at {address.url()}", err=True)
    with page_beside(study, address):
        yield
    echo(f"The live page has ended; look again with: {command_line('watch', study)}", err=True)
