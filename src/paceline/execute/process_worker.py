"""Calls function objectives in separate processes, isolated from each other.

Each worker is a `SpawnedProcess`, which ends with the study, and with it the child processes of the
function.

The limit on memory applies to resident memory of the worker and its children. ``RLIMIT_AS`` would
be exact, but JAX, CUDA and PyTorch reserve many times the addresses that they use.
"""

import inspect
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial, reduce
from importlib import import_module
from multiprocessing import connection, current_process
from typing import Any

from paceline.core import InvalidInput
from paceline.execute.function_call import Function, send, serve
from paceline.execute.spawned import SpawnedProcess, resident_of_tree
from paceline.execute.worker_slot import Loss

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
        self._process = SpawnedProcess(_work, (load, metric), "paceline-worker")
        self.link = self._process.link

    @property
    def memory(self) -> int:
        """Resident bytes of the worker and all its children."""
        return resident_of_tree(self._process.pid)

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the process ended, as a sentence, or None while it is alive.

        Args:
            seconds: how long to wait for its end.
        """
        return self._process.death(seconds)

    def close(self) -> None:
        """Kills the process and its children."""
        self._process.close()


def importable(function: Function, has_same_main: bool = True) -> Load:
    """Makes a function available to another process: by its module and name, else by value.

    By value go functions that no module has under their name (lambdas, closures, methods, partial
    functions), those of a file that the user named, and those that were typed into a notebook or an
    interpreter, with all that they refer to. They are serialised by cloudpickle, for the
    connection to the process only.

    Args:
        function: the function.
        has_same_main: whether the other process runs the script of this one as its main module. If
            not, functions of the script also go by value.

    Raises:
        InvalidInput: a function that goes by value refers to something that cannot be copied to
            another process, such as a lock, an open file or a connection.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    load = partial(find, str(module), str(name))
    try:
        is_lost = str(module).startswith(USER_FILE) or (
            not has_same_main and str(module) == "__main__"
        )
        found = None if is_lost or _was_typed_in(function) else load()
    except (ImportError, AttributeError):
        found = None
    return load if found is function else partial(pickle.loads, _function_by_value(function))


def _was_typed_in(function: Function) -> bool:
    """Whether the function is in no file that another process runs as its main module."""
    if getattr(function, "__module__", None) != "__main__":
        return False
    file = getattr(sys.modules["__main__"], "__file__", None)
    code = getattr(inspect.unwrap(function), "__code__", None)
    return file is None or (code is not None and not _is_same(file, code.co_filename))


def _is_same(file: str, other: str) -> bool:
    return os.path.abspath(file) == os.path.abspath(other)


def _function_by_value(function: Function) -> bytes:
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return by_value(function, f"the function {name}")


def by_value(thing: Any, what: str) -> bytes:
    """Serialises something with all that it refers to, for the connection to a process only.

    Args:
        thing: what is serialised.
        what: its name in messages.

    Raises:
        InvalidInput: it refers to something that cannot be copied.
    """
    try:
        return pickled(thing)
    except Exception as error:  # whatever an object's own way of being pickled raises
        raise InvalidInput(
            f"{what} refers to something that cannot be copied to another process "
            f"({type(error).__name__}: {error}), and workers or a pool of processes call it",
            expected="a function at the top level of a module that they can import, or one that "
            "needs no locks, open files or connections from outside",
            fix="Create them inside the function, or call it in this process: without workers, or "
            "in a ThreadPoolExecutor.",
        ) from error


def pickled(thing: Any) -> bytes:
    """As `by_value`, but raises whatever pickling it raises."""
    import cloudpickle

    # another process does not know files that the user named as modules
    files = [file for name, file in list(sys.modules.items()) if name.startswith(USER_FILE)]
    try:
        for file in files:
            cloudpickle.register_pickle_by_value(file)
        return bytes(cloudpickle.dumps(thing))
    finally:
        for file in files:
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
    try:
        function = load()
    except BaseException as error:
        send(link, "import_failed", error=f"{type(error).__name__}: {error}")
        return
    with suppress(OSError):  # the study has ended
        send(link, "ready")
        serve(function, metric, link)
