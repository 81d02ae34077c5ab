"""The supply of workers that have joined a study of a function over HTTP."""

import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from paceline.execute.process_worker import Load
from paceline.execute.remote.joined import JoinedWorker
from paceline.execute.remote.lobby import Lobby
from paceline.execute.remote.shipped import function_work


class JoinedSupply:
    """Workers that have joined, and can call the function.

    Attributes:
        limit: how many calls run at once; None for as many as there are workers.
        link: receives a message when a worker has become ready.
    """

    def __init__(
        self,
        lobby: Lobby,
        load: Load,
        metric: str,
        limit: int | None,
        memory_limit: int | None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Gives the workers in the lobby the function.

        Args:
            lobby: where workers join.
            load: imports the function.
            metric: the objective's name.
            limit: how many calls run at once at most.
            memory_limit: bytes that a call may take; None for no limit.
            close: called at the end.
        """
        self.limit = limit
        self.link: Connection | None
        self.link, self._changed = Pipe(duplex=False)
        self._lobby, self._close = lobby, close
        self._lock, self._is_closed = threading.Lock(), False
        messages = function_work(load, metric, memory_limit)

        def greet(worker: JoinedWorker) -> None:
            for message in messages:
                worker.link.send_bytes(message)

        lobby.attach(greet, self._wake)

    def take(self, num_held: int, num_waiting: int) -> JoinedWorker | None:  # noqa: ARG002
        """Returns a worker that is ready, or None: workers join by themselves."""
        return self._lobby.take()

    def close(self) -> None:
        """Ends what free workers are prepared for."""
        self._lobby.detach()
        with self._lock:
            self._is_closed = True
            self._changed.close()
            if self.link is not None:
                self.link.close()
        if self._close is not None:
            self._close()

    def _wake(self) -> None:
        with self._lock:
            if not self._is_closed and self.link is not None and not self.link.poll():
                self._changed.send_bytes(b"")
