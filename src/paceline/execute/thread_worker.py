"""Calls function objectives in a thread of the study's own process."""

import ctypes
import threading
from contextlib import suppress
from multiprocessing import Pipe

from paceline.execute.function_call import Function, TrialStopped, serve
from paceline.execute.worker_slot import Loss

_SHORT_JOIN = 0.1  # seconds; enough for a thread in which no function runs
# seconds to wait for an interrupted function; a call deep in C code cannot be interrupted
_LONG_JOIN = 2.5
# Python drops an exception that reaches a thread in a finalizer or a callback of the garbage
# collector
_ATTEMPTS = 2


class ThreadWorker:
    """A thread that calls the function.

    A thread, so that the function can wait in ``hp.report`` for the schedule while the study
    continues.
    """

    name: str | None = None
    start_advice = ""
    serves_once = False
    loss: Loss = "own"

    def __init__(self, function: Function, metric: str) -> None:
        """Starts the thread; see `paceline.execute.function_call.serve`."""
        self.link, other = Pipe()

        def work() -> None:
            # the study may have ended, or have interrupted the thread between two calls
            with suppress(OSError, TrialStopped), other:
                serve(function, metric, other)

        self._thread = threading.Thread(target=work, name="paceline-function", daemon=True)
        self._thread.start()

    @property
    def memory(self) -> int:
        """0: the memory of one thread cannot be measured."""
        return 0

    def death(self, seconds: float = 0.0) -> str | None:  # noqa: ARG002
        """None: a thread does not die."""
        return None

    def close(self) -> None:
        """Interrupts the function, if one is running, and ends the thread."""
        self.link.close()  # a function that waits, or reports next, is stopped
        self._thread.join(_SHORT_JOIN)
        for _ in range(_ATTEMPTS):
            if self._thread.ident is None or not self._thread.is_alive():
                return
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(TrialStopped)
            )
            self._thread.join(_LONG_JOIN)
