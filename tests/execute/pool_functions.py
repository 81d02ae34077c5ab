"""Functions that the processes of a pool import, in a module that costs them little."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any


def fine(hp: Any) -> float:
    """Returns x."""
    return float(hp.Float("x", 0.0, 1.0))


def deadly(meeting: Path, hp: Any) -> float:
    """Reports twice. At x = 0 ends the process, once another call has reported the first step."""
    x = float(hp.Float("x", 0.0, 1.0))
    if x == 0.0:
        if meeting.exists():
            meeting.open().close()  # waits for the other call
            meeting.unlink()
        os._exit(7)
    hp.report(x, step=1)
    if meeting.exists():
        meeting.open("w").close()
        threading.Event().wait()
    hp.report(x, step=2)
    return x


def sometimes_deadly(hp: Any) -> None:
    """Ends its process above 0.7, and reports three times below."""
    x = hp.Float("x", 0.0, 1.0)
    if x > 0.7:
        os._exit(1)
    for step in range(3):
        if not hp.report(x * (step + 1)):
            return


def steps(folder: Path, hp: Any) -> float:
    """Reports twice; in between waits until its pipe in the folder is written to, if it exists."""
    x = float(hp.Float("x", 0.0, 1.0))
    hp.report(x, step=1)
    with suppress(FileNotFoundError):
        (folder / str(x)).read_text()
    hp.report(x, step=2)
    return x


def falls(hp: Any) -> None:
    """Reports three steps."""
    x = float(hp.Float("x", 0.0, 1.0))
    for step in range(1, 4):
        if not hp.report((x - 0.3) ** 2 / step, step=step):
            return
