"""Who writes a study, and when: told so that a clock that is set, forwards or backwards, changes
nothing.
"""

import os
import platform
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from paceline.core.events import Json

if TYPE_CHECKING:
    import psutil

_SAME = 0.5  # seconds between two readings of when one process began


class SessionClock:
    """Seconds since 1970 as the system said at first, and from then on as the monotonic clock goes
    on.
    """

    def __init__(self) -> None:
        self._began, self._monotonic = time.time(), time.monotonic()

    def now(self) -> float:
        """The time; never less than it was."""
        return self._began + (time.monotonic() - self._monotonic)


def this_process() -> dict[str, Json]:
    """What tells this process from every other, with the time at which it said so."""
    import psutil

    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "began": _began(psutil.Process()),
        "since": time.time(),
    }


def process_of(writer: Json | None) -> int | None:
    """The process id in what `this_process` said, if that very process still lives on this
    machine.
    """
    if not isinstance(writer, Mapping) or writer.get("host") != platform.node():
        return None
    import psutil

    try:
        process = psutil.Process(int(writer["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        began = writer.get("began")
        if began is None:  # of a study written before: by the system's clock
            same = process.create_time() <= float(writer.get("since", 0.0)) + 1.0
        else:
            same = abs(_began(process) - float(began)) < _SAME
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process.pid if same else None


def writer_in_words(writer: Json | None) -> str:
    """What `this_process` said, as a message says it."""
    known = writer if isinstance(writer, Mapping) else {}
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.get("since", time.time())))
    return f"process {known.get('pid', '?')} on {known.get('host', '?')}, since {since}"


def _began(process: "psutil.Process") -> float:
    """When a process began, in seconds that do not depend on the system's clock.

    Linux knows it in seconds since the machine was started, and psutil adds the time of the start,
    which moves when the clock is set. Elsewhere the system itself keeps the time at which a process
    began.
    """
    from psutil import boot_time

    created = process.create_time()
    return created - boot_time() if sys.platform == "linux" else created
