"""Where the workers of function objectives come from, and how many there can be."""

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Protocol

from paceline.execute.worker_slot import FunctionWorker


class WorkerSupply(Protocol):
    """Makes workers, as many as there are places for.

    Attributes:
        limit: how many calls run at once at most; None for as many as there are workers.
        link: receives an empty message when `take` may return more than it did; None if it never
            does by itself.
    """

    limit: int | None
    link: Connection | None

    def take(self, num_held: int, num_waiting: int) -> FunctionWorker | None:
        """Returns a new worker, or None if there is no place for one now.

        Args:
            num_held: workers that were taken and are in use or kept.
            num_waiting: calls that wait for a worker.

        Raises:
            PacelineError: no worker can be made.
        """

    def close(self) -> None:
        """Ends the workers that nobody has taken."""


class Workers:
    """Workers that are made at once when they are needed.

    Attributes:
        limit: how many calls run at once.
        link: None: a place that is there is found by asking.
    """

    link: Connection | None = None

    def __init__(
        self,
        make: Callable[[], FunctionWorker],
        limit: int,
        is_strict: bool = False,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Makes none yet.

        Args:
            make: starts a worker.
            limit: how many calls run at once.
            is_strict: whether there can be no further workers for calls that only wait.
            close: called at the end.
        """
        self.limit: int | None = limit
        self._make, self._places = make, limit if is_strict else None
        self._close = close

    def take(self, num_held: int, num_waiting: int) -> FunctionWorker | None:  # noqa: ARG002
        """Returns a new worker, or None if all places are taken."""
        is_full = self._places is not None and num_held >= self._places
        return None if is_full else self._make()

    def close(self) -> None:
        """Ends what was made for the workers, such as a pool."""
        if self._close is not None:
            self._close()
