"""A queue of networks that are trained with Keras ``fit``, one after another."""

from collections import deque
from collections.abc import Iterator

from paceline.execute.base import ExecutorUpdate
from paceline.execute.fit_run import FitRun
from paceline.execute.pending_network import PendingNetwork


class FitQueue:
    """Networks that wait for ``fit``, and the one that is trained now.

    Attributes:
        trials: numbers of all trials that were ever added.
    """

    def __init__(self) -> None:
        self.trials: set[int] = set()
        self._waiting: deque[FitRun] = deque()
        self._current: Iterator[ExecutorUpdate] | None = None

    def __bool__(self) -> bool:
        """Whether a network waits or is trained."""
        return bool(self._waiting or self._current)

    def add(self, network: PendingNetwork) -> None:
        """Adds a network at the end."""
        self._waiting.append(FitRun(network.prepared, network.run, network.snapshot))
        self.trials |= {job.trial for job in network.prepared.jobs}

    def advance(self) -> list[ExecutorUpdate]:
        """Trains the current network, or the next one, for an epoch."""
        if self._current is None:
            self._current = self._waiting.popleft().epochs()
        update = next(self._current, None)
        if update is None:
            self._current = None
        return [] if update is None else [update]
