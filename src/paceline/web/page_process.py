"""The live page in a separate process during a search."""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from paceline.core import interrupts
from paceline.serving.address import Address
from paceline.store import study_directory, study_handle

_NICENESS = 10
_END_SECONDS = 10.0


@contextmanager
def page_beside(directory: Path, address: Address) -> Iterator[None]:
    """Serves a study's page while the block runs, from a process that ends with this one."""
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    arguments = (study_handle(directory), address, theirs)
    process = context.Process(target=_serve, args=arguments, daemon=True, name="paceline-page")
    with interrupts.blocked_in_children():  # Ctrl+C is for the search
        process.start()
    theirs.close()
    address.socket.close()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            ours.send_bytes(b"end")
        ours.close()
        process.join(_END_SECONDS)
        if process.is_alive():
            process.kill()


def lower_priority() -> None:
    """Lowers this process's priority, where the system supports it."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _serve(study: str | Path, address: Address, parent: Connection) -> None:
    from paceline.web.server import LivePage

    lower_priority()
    with LivePage(study_directory(study), address), contextlib.suppress(EOFError, OSError):
        parent.recv_bytes()  # "end", or end of file if the search was killed
