"""An executor whose machines are looked at from time to time, for those who watch the study."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from paceline.core.events import Json
from paceline.core.logs import logger
from paceline.execute.base import Executor, ExecutorUpdate, Job, SnapshotReference

Nodes = Sequence[Mapping[str, Json]]
"""See `ExecutorUpdate.nodes`."""

_LOG = logger("execute")
_FIRST_SECONDS, _SECONDS = 1.0, 5.0  # until the first look, and between two looks
_SHARE = 0.01  # of a processor that the looks use, at most
_CLOSING_SECONDS = 10.0


class WatchedExecutor:
    """Another executor, whose machines one more thread looks at while it works."""

    def __init__(self, executor: Executor, look: Callable[[], Nodes]) -> None:
        """Does not look yet.

        Args:
            executor: does the work; closed with this one.
            look: returns the machines and what works on them; called by the thread.
        """
        self._inner, self._look = executor, look
        self._found: Nodes | None = None
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs; see `Executor.submit`."""
        self._inner.submit(jobs, snapshots, scores)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="paceline-nodes", daemon=True)
            self._thread.start()

    def forget(self, trials: Sequence[int]) -> None:
        """Frees what is kept of paused trials."""
        self._inner.forget(trials)

    @property
    def num_waiting(self) -> int:
        """Number of jobs that have not started to train."""
        return self._inner.num_waiting

    @property
    def is_idle(self) -> bool:
        """Whether all submitted jobs have ended or paused, and their events were returned."""
        return self._inner.is_idle

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened, and the last look; waits until there is something."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            found, self._found = self._found, None
            left = until - time.monotonic()
            updates = self._inner.progress(0.0 if found is not None else min(left, _SECONDS))
            if found is not None:
                updates.append(ExecutorUpdate(nodes=found))
            if updates or left <= 0:
                return updates
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Stops as soon as possible; see `Executor.stop`."""
        return self._inner.stop()

    def close(self) -> None:
        """Frees threads and memory."""
        self._is_closed.set()
        self._inner.close()
        if self._thread is not None:
            self._thread.join(_CLOSING_SECONDS)

    def _watch(self) -> None:
        pause = _FIRST_SECONDS
        while not self._is_closed.wait(pause):
            began = time.thread_time()
            try:
                self._found = self._look()
            except Exception as error:  # the executor says what matters of it
                _LOG.info("the nodes cannot be looked at: %r", error)
            pause = max(_SECONDS, (time.thread_time() - began) / _SHARE)
