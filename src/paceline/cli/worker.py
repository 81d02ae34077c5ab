"""The command that joins a study from another process, job or machine: ``worker``."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli.echo import echo

if TYPE_CHECKING:
    from paceline.execute.remote.worker import RemoteWorker


def worker(
    study: Annotated[
        str, typer.Argument(help="The study's name, or its directory.", metavar="STUDY")
    ],
    server: Annotated[
        str,
        typer.Option(
            envvar="PACELINE_SERVER",
            help="The address of the study's server, as it was printed: http://HOST:PORT.",
        ),
    ],
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the study's token.  [default: the token in PACELINE_WORKER_TOKEN, or "
            "the file that PACELINE_WORKER_TOKEN_FILE names]"
        ),
    ] = None,
    patience: Annotated[
        str, typer.Option(help="How long to wait for a server that does not answer, such as 5m.")
    ] = "5m",
) -> None:
    """Join a study that runs with --executor workers.

    It works for it until it ends.

    The worker runs the code that the study sends. Any number of workers may join and leave at any
    time. When it is asked to end (SIGTERM, as SLURM sends it, or Ctrl+C), its trial goes back to
    the study at once.
    """
    from paceline.core import InvalidInput, parse_seconds
    from paceline.execute.remote.client import StudyAddress
    from paceline.execute.remote.signing import TOKEN, given_token
    from paceline.execute.remote.worker import Invitation, RemoteWorker

    token = given_token(token_file)
    if token is None:
        raise InvalidInput(
            "a worker was started without a token",
            expected=f"the token of the study in {TOKEN}, or in a file: --token-file",
            fix="The study prints it when it is started, unless it was given one.",
        )
    invitation = Invitation(
        Path(study).resolve().name,
        StudyAddress(server),
        token,
        parse_seconds(patience, "--patience"),
    )
    joined = RemoteWorker(invitation, lambda line: echo(line, err=True))
    with _ending_by_signal(joined) as received:
        joined.run()
    if received:
        echo("Told to end.", err=True)
        raise typer.Exit(128 + received[0])
    echo(f"Study {invitation.study} has ended.", err=True)


@contextmanager
def _ending_by_signal(worker: "RemoteWorker") -> Iterator[list[int]]:
    """While the block runs, signals end the worker; a second one ends the process."""
    received: list[int] = []

    def handle(number: int, _: object) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        worker.end()

    before = {one: signal.signal(one, handle) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
