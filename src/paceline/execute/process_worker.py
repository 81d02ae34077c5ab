"""Calls function objectives in separate processes, isolated from each other.

Each worker is spawned (a fork would copy locks and GPU contexts in an arbitrary state) and leads a
process group, so that child processes of the function end with it; on Linux also those that left
the group or lost their parent. If the study's process dies, even by ``kill -9``, so do its workers.

The limit on memory applies to resident memory of the worker and its children. ``RLIMIT_AS`` would
be exact, but JAX, CUDA and PyTorch reserve many times the addresses that they use.
"""

import ctypes
import inspect
import os
import pickle
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
from paceline.execute.worker_slot import Loss

_SET_CHILD_SUBREAPER = 36  # prctl(2)

USER_FILE = "_paceline_build_"
"""How the names of modules begin that are files which the user named, such as ``train.py:f``."""

Load = Callable[[], Function]
"""Imports a function; picklable, as a function at the top level of a module with its arguments."""


class ProcessWorker:
    """A spawned process that calls the function."""

    name: str | None = None
    start_advice = (
        "Its own output is above. In a script, call tune under: if __name__ == '__main__':"
    )
    serves_once = False
    loss: Loss = "own"

    def __init__(self, load: Load, metric: str) -> None:
        """Starts the process.

        Args:
            load: imports the function in the process; see `importable`.
            metric: the objective's name.
        """
        self.link, other = connection.Pipe()
        context = get_context("spawn")
        self._process = context.Process(
            target=_work, args=(other, load, metric), name="paceline-worker"
        )
        with interrupts.blocked_in_children():  # only the study handles Ctrl+C
            self._process.start()
        other.close()

    @property
    def memory(self) -> int:
        """Resident bytes of the worker and all its children."""
        return 0 if self._process.pid is None else resident_of_tree(self._process.pid)

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

    def close(self) -> None:
        """Kills the process and its children."""
        self.link.close()
        if self._process.pid is not None:
            _kill_tree(self._process.pid)
        self._process.kill()
        self._process.join()
        self._process.close()


def importable(function: Function, has_same_main: bool = True) -> Load:
    """Makes a function available to another process: by its module and name, else by value.

    By value go functions that no module has under their name (lambdas, closures, methods, partial
    functions) and those that were typed into a notebook or an interpreter, with all that they
    refer to. They are serialised by cloudpickle, for the connection to the process only.

    Args:
        function: the function.
        has_same_main: whether the other process runs the script of this one as its main module. If
            not, functions of the script, or of a file that the user named, also go by value.

    Raises:
        InvalidInput: a function that goes by value refers to something that cannot be copied to
            another process, such as a lock, an open file or a connection.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    load = partial(find, str(module), str(name))
    try:
        is_lost = not has_same_main and _is_of_file(str(module))
        found = None if is_lost or _was_typed_in(function) else load()
    except (ImportError, AttributeError):
        found = None
    return load if found is function else partial(pickle.loads, _by_value(function, str(module)))


def _is_of_file(module: str) -> bool:
    """Whether a module is a file that another process does not know by this name."""
    return module == "__main__" or module.startswith(USER_FILE)


def _was_typed_in(function: Function) -> bool:
    """Whether the function is in no file that another process runs as its main module."""
    if getattr(function, "__module__", None) != "__main__":
        return False
    file = getattr(sys.modules["__main__"], "__file__", None)
    code = getattr(inspect.unwrap(function), "__code__", None)
    return file is None or (code is not None and not _is_same(file, code.co_filename))


def _is_same(file: str, other: str) -> bool:
    return os.path.abspath(file) == os.path.abspath(other)


def _by_value(function: Function, module: str) -> bytes:
    import cloudpickle

    file = sys.modules.get(module) if module.startswith(USER_FILE) else None
    try:
        if file is not None:
            cloudpickle.register_pickle_by_value(file)
        return bytes(cloudpickle.dumps(function))
    except Exception as error:  # whatever an object's own way of being pickled raises
        name = getattr(function, "__qualname__", None) or type(function).__name__
        raise InvalidInput(
            f"the function {name} refers to something that cannot be copied to another process "
            f"({type(error).__name__}: {error}), and workers or a pool of processes call it",
            expected="a function at the top level of a module that they can import, or one that "
            "needs no locks, open files or connections from outside",
            fix="Create them inside the function, or call it in this process: without workers, or "
            "in a ThreadPoolExecutor.",
        ) from error
    finally:
        if file is not None:
            cloudpickle.unregister_pickle_by_value(file)


def find(module: str, name: str) -> Function:
    """Imports a function by its module and qualified name."""
    found: Function = reduce(getattr, name.split("."), import_module(module))  # type: ignore[assignment]
    return found


def check_may_spawn() -> None:
    """Checks that this process is not itself being spawned as a worker.

    Raises:
        InvalidInput: it is: a worker imports the script that started it, and so calls tune again.
    """
    # the check that multiprocessing makes, too, but later and with a less helpful message
    if getattr(current_process(), "_inheriting", False):
        raise InvalidInput(
            "workers were requested at the top level of a script, which each worker runs again",
            expected="the call of tune under: if __name__ == '__main__':",
        )


def _work(link: connection.Connection, load: Load, metric: str) -> None:
    """The main function of a spawned process."""
    _become_group_leader()
    interrupts.unblock()
    threading.Thread(target=_exit_with_parent, name="paceline-parent", daemon=True).start()
    try:
        function = load()
    except BaseException as error:
        send(link, "import_failed", error=f"{type(error).__name__}: {error}")
        return
    with suppress(OSError):  # the study has ended
        send(link, "ready")
        serve(function, metric, link)


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
