"""Processes that are spawned for work, and end with the process that started them.

A process is spawned, since a fork would copy locks and GPU contexts in an arbitrary state. It leads
a process group, so that its child processes end with it; on Linux also those that left the group or
lost their parent. If the process that started it dies, even by ``kill -9``, so does it.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any

from paceline.core import interrupts

_SET_CHILD_SUBREAPER = 36  # prctl(2)

Main = Callable[..., None]
"""What a process runs: a function at the top level of a module. Its first argument is the process's
end of the connection."""


class SpawnedProcess:
    """A process and the connection to it.

    Attributes:
        link: this end of the connection.
        pid: its number.
    """

    def __init__(self, main: Main, arguments: tuple[Any, ...], name: str) -> None:
        """Starts the process.

        Args:
            main: what it runs.
            arguments: of that, after the connection.
            name: of the process.
        """
        self.link, other = connection.Pipe()
        self._process = get_context("spawn").Process(
            target=_begin, args=(main, other, *arguments), name=name
        )
        with interrupts.blocked_in_children():  # only the study handles Ctrl+C
            self._process.start()
        other.close()
        self.pid = self._process.pid or 0

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the process ended, as a sentence, or None while it is alive.

        Args:
            seconds: how long to wait for its end.
        """
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            return None
        if code >= 0:
            return f"the worker process ended with exit code {code}"
        hint = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
        return f"the worker process was killed by signal {-code} ({_signal_name(-code)}){hint}"

    def kill(self) -> None:
        """Kills the process and its children; what waits for a message from it gets an end."""
        if self.pid:
            _kill_tree(self.pid)
        self._process.kill()

    def close(self) -> None:
        """Kills the process and its children, and frees the connection."""
        self.link.close()
        self.kill()
        self._process.join()
        self._process.close()


def _begin(main: Main, link: connection.Connection, *arguments: Any) -> None:
    """The main function of a spawned process."""
    _become_group_leader()
    interrupts.unblock()
    threading.Thread(target=_exit_with_parent, name="paceline-parent", daemon=True).start()
    main(link, *arguments)


def _exit_with_parent() -> None:
    """Kills this process and its children once the study's process has ended."""
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    _kill_tree(os.getpid())
    os._exit(1)


def _become_group_leader() -> None:
    """Makes all descendants of this process reachable from it.

    It leads a process group, and on Linux it adopts orphaned descendants.
    """
    if sys.platform != "win32":
        os.setsid()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def _kill_tree(pid: int) -> None:
    """Kills a process, its descendants (also those in other sessions) and its process group."""
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        children = []
    for child in children:
        with suppress(psutil.Error):
            child.kill()
    # it does not lead a group yet, or all of it has ended
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(pid, signal.SIGKILL)


def resident_of_tree(pid: int) -> int:
    """Resident bytes of a process and all its children; 0 if it has ended."""
    import psutil

    try:
        worker = psutil.Process(pid)
        tree = [worker, *worker.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_resident, tree))


def _resident(process: object) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)  # type: ignore[attr-defined]
    except psutil.Error:
        return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
