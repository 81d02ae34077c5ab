"""Function objectives in the caller's own process, one trial at a time."""

import ctypes
import threading
from contextlib import suppress
from multiprocessing import Pipe

from paceline.execute.function_call import Function, TrialStopped, serve

_MOMENT = 0.1  # seconds for a thread to end in which nothing runs
# seconds for a function to end once it was interrupted; one that is deep in C code cannot be
_PATIENCE = 5.0


class ThreadWorker:
    """A thread that calls the function.

    A thread, so that the function can wait in ``hp.report`` for the schedule's word while the study
    goes on.
    """

    can_be_killed = False

    def __init__(self, function: Function, metric: str) -> None:
        """Starts the thread; see `paceline.execute.function_call.serve`."""
        self.link, other = Pipe()

        def work() -> None:
            # the caller may be gone, or have interrupted the thread between two calls
            with suppress(OSError, TrialStopped), other:
                serve(function, metric, other)

        self._thread = threading.Thread(target=work, name="paceline-function", daemon=True)
        self._thread.start()

    @property
    def memory(self) -> int:
        """Bytes taken by what runs here alone: not to be told in a thread."""
        return 0

    def death(self, seconds: float = 0.0) -> str | None:  # noqa: ARG002
        """Why nothing can run here any more; a thread does not die."""
        return None

    def close(self) -> None:
        """Interrupts the function, if one is running, and ends the thread."""
        self.link.close()  # a function that waits, or reports next, is left
        self._thread.join(_MOMENT)
        if self._thread.is_alive() and self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(TrialStopped)
            )
            self._thread.join(_PATIENCE)
