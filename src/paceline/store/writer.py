"""Identity of a study's writer, and timestamps that are robust to changes of the system clock."""

import os
import platform
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from paceline.core.events import Json

if TYPE_CHECKING:
    import psutil

_SAME = 0.5  # seconds between two readings of a process's start time


class SessionClock:
    """Seconds since 1970: the system clock at first, then advanced by the monotonic clock."""

    def __init__(self) -> None:
        self._began, self._monotonic = time.time(), time.monotonic()

    def now(self) -> float:
        """The time; never decreases."""
        return self._began + (time.monotonic() - self._monotonic)


def this_process() -> dict[str, Json]:
    """Identifies this process, with the current time."""
    import psutil

    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "began": _began(psutil.Process()),
        "since": time.time(),
    }


def process_of(writer: Json | None) -> int | None:
    """The process id in a result of `this_process`, if that process is running on this machine."""
    if not isinstance(writer, Mapping) or writer.get("host") != platform.node():
        return None
    import psutil

    try:
        process = psutil.Process(int(writer["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        began = writer.get("began")
        if began is None:  # in early studies: by the system clock
            same = process.create_time() <= float(writer.get("since", 0.0)) + 1.0
        else:
            same = abs(_began(process) - float(began)) < _SAME
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process.pid if same else None


def running(writer: Json | None) -> str | None:
    """The process in a result of `this_process` in words, if it is running on this machine."""
    process = process_of(writer)
    return None if process is None else f"process {process}"


def has_ended(writer: Json | None) -> bool:
    """Whether a writer was a process of this machine that has ended."""
    if not isinstance(writer, Mapping) or writer.get("host") != platform.node():
        return False
    return process_of(writer) is None


def process_in_words(writer: Json | None) -> str:
    """The process in a result of `this_process`, and its machine."""
    known = writer if isinstance(writer, Mapping) else {}
    return f"process {known.get('pid', '?')} on {known.get('host', '?')}"


def writer_in_words(writer: Json | None) -> str:
    """A result of `this_process` as text."""
    known = writer if isinstance(writer, Mapping) else {}
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.get("since", time.time())))
    return f"{process_in_words(writer)}, since {since}"


def _began(process: "psutil.Process") -> float:
    """When a process began, in seconds that do not depend on the system clock.

    Linux stores it in seconds since boot, and psutil adds the boot time, which changes when the
    clock is set. Other systems store the time itself.
    """
    from psutil import boot_time

    created = process.create_time()
    return created - boot_time() if sys.platform == "linux" else created
