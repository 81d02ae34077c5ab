"""Function objectives in processes of their own: what happens to one of them happens to no other.

Each worker is spawned (a fork would copy locks and GPU contexts in whatever state they are) and
leads a process group, so that what the function started ends with it, on Linux also what left that
group or lost its parent. Should the study's process die, even by ``kill -9``, its workers do.

Memory is watched as it is resident, function and its children together. A limit on addresses
(``RLIMIT_AS``) would be exact, but JAX, CUDA and PyTorch reserve many times what they use, and
would be refused at once.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial, reduce
from importlib import import_module
from multiprocessing import connection, current_process, get_context, parent_process

from paceline.core import InvalidInput, interrupts
from paceline.execute.function_call import Function, send, serve

_SET_CHILD_SUBREAPER = 36  # prctl(2)

Load = Callable[[], Function]
"""Imports a function: itself the name of one, with the names that it takes."""


class ProcessWorker:
    """A spawned process that calls the function."""

    can_be_killed = True

    def __init__(self, load: Load, metric: str) -> None:
        """Starts the process.

        Args:
            load: how the process finds the function; see `importable`.
            metric: the objective's name.
        """
        self.link, other = connection.Pipe()
        context = get_context("spawn")
        self._process = context.Process(
            target=_work, args=(other, load, metric), name="paceline-worker"
        )
        with interrupts.blocked_in_children():  # Ctrl+C is the study's to handle
            self._process.start()
        other.close()

    @property
    def memory(self) -> int:
        """Bytes resident in the worker and all its children."""
        import psutil

        try:
            worker = psutil.Process(self._process.pid)
            family = [worker, *worker.children(recursive=True)]
        except psutil.Error:
            return 0
        return sum(map(_resident, family))

    def death(self, seconds: float = 0.0) -> str | None:
        """Why the process has ended, as a sentence; None while it lives; waits for its end at most
        so long.
        """
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            return None
        if code >= 0:
            return f"the worker process ended by itself, with exit code {code}"
        hint = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
        return f"the worker process was killed by signal {-code} ({_signal_name(-code)}){hint}"

    def close(self) -> None:
        """Ends the process and all that it started."""
        self.link.close()
        if self._process.pid is not None:
            _kill_family(self._process.pid)
        self._process.kill()
        self._process.join()
        self._process.close()


def importable(function: Function) -> Load:
    """How another process finds a function: by the module that it is in and its name there.

    Raises:
        InvalidInput: it has no such name: a lambda, a function inside a function, a method, or one
            that was typed in.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    fix = "Put it at the top level of a file and pass tune('that_file.py:function', ...), or leave workers out."
    expected = "a function that a new process can import"
    if module == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        raise InvalidInput(
            f"{name} was typed in, and workers were asked for", expected=expected, fix=fix
        )
    load = partial(find, str(module), str(name))
    try:
        found = load()
    except (ImportError, AttributeError):
        found = None
    if found is not function:
        what = (
            "a lambda"
            if "<lambda>" in str(name)
            else f"{name or function!r}, which no module holds by that name,"
        )
        raise InvalidInput(
            f"function is {what} and workers were asked for", expected=expected, fix=fix
        )
    return load


def find(module: str, name: str) -> Function:
    """The function of this (qualified) name in a module."""
    found: Function = reduce(getattr, name.split("."), import_module(module))  # type: ignore[assignment]
    return found


def check_may_spawn() -> None:
    """Makes sure that this is not itself a process that is being spawned.

    Raises:
        InvalidInput: it is: the script that asked for workers asks for them again when they import
            it.
    """
    # what multiprocessing itself looks at before it refuses, later and in other words
    if getattr(current_process(), "_inheriting", False):
        raise InvalidInput(
            "workers were asked for by a script's top level, which each worker runs again",
            expected="the call of tune under: if __name__ == '__main__':",
        )


def _work(link: connection.Connection, load: Load, metric: str) -> None:
    """What a spawned process does."""
    _lead_a_family()
    interrupts.unblock()
    threading.Thread(target=_follow_the_parent, name="paceline-parent", daemon=True).start()
    try:
        function = load()
    except BaseException as error:
        send(link, "unusable", error=f"{type(error).__name__}: {error}")
        return
    with suppress(OSError):  # the study has ended
        send(link, "ready")
        serve(function, metric, link)


def _follow_the_parent() -> None:
    """Ends this process, and all that it started, as soon as the study's process is gone."""
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    _kill_family(os.getpid())
    os._exit(1)


def _lead_a_family() -> None:
    """All that this process starts can be found from it: it leads a group, and on Linux orphans are
    its children.
    """
    if sys.platform != "win32":
        os.setsid()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def _kill_family(pid: int) -> None:
    """Kills what a process started, in sessions of their own too, and what is in its group, itself
    included.
    """
    import psutil

    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        family = []
    for child in family:
        with suppress(psutil.Error):
            child.kill()
    with suppress(
        ProcessLookupError, PermissionError
    ):  # it leads no group yet, or nothing is left of it
        if sys.platform != "win32":
            os.killpg(pid, signal.SIGKILL)


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
