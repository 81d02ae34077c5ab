"""The workers that have joined a study: present, lost, and free ones."""

import secrets
import threading
import time
from collections.abc import Callable

from paceline.execute.remote.joined import JoinedWorker
from paceline.execute.worker_slot import Loss

LEASE_SECONDS = 10.0
"""A worker that has asked for nothing for so long is lost."""

Greet = Callable[[JoinedWorker], None]
"""Sends the work to a worker."""


class Lobby:
    """The joined workers: added by the server's thread, taken by the study's.

    A worker gets the work with its first request for messages, which needs the key that it has just
    been given, so that repeating a recorded request to join is useless. It can be taken once it has
    responded.

    Attributes:
        is_over: whether the study has ended, which is the response to every further request.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, lease: float = LEASE_SECONDS
    ) -> None:
        """A lobby without workers.

        Args:
            clock: in seconds, never set back.
            lease: seconds after which a worker that asks for nothing is lost.
        """
        self.lease, self.is_over = lease, False
        self._clock = clock
        self._greet: Greet | None = None
        self._on_change: Callable[[], None] = _nothing
        self._lock = threading.RLock()
        self._workers: dict[str, JoinedWorker] = {}
        self._free: list[JoinedWorker] = []
        self._heard: dict[str, float] = {}  # when each key was last heard of
        self._present: dict[str, float] = {}  # when each process was last heard of

    def join(self, process: str, name: str, wake: Callable[[], None]) -> JoinedWorker:
        """Adds a worker.

        Args:
            process: identifies its process, also when that joins again.
            name: machine and process, for people.
            wake: called when there is something to fetch for it.
        """
        worker = JoinedWorker(secrets.token_hex(16), process, name, wake)
        with self._lock:
            for key in [key for key, one in self._workers.items() if one.process == process]:
                self.end(key, f"its worker {name} has begun anew", "worker")
            self._workers[worker.key] = worker
            self._heard[worker.key] = self._present[process] = self._clock()
        return worker

    def find(self, key: str) -> JoinedWorker | None:
        """The worker with a key, if it is there; it was heard of just now."""
        with self._lock:
            worker = self._workers.get(key)
            if worker is None or not worker.is_open:
                return None
            self._heard[key] = self._present[worker.process] = self._clock()
            return worker

    def has(self, key: str) -> bool:
        """Whether the worker with a key is there."""
        with self._lock:
            return key in self._workers

    def asked(self, worker: JoinedWorker) -> None:
        """Notes that a worker asks for messages: it gets the work, if it has none."""
        with self._lock:
            if not worker.has_asked:
                worker.has_asked = True
                self._free.append(worker)
                if self._greet is not None:
                    self._greet(worker)

    def end(self, key: str, reason: str, loss: Loss) -> None:
        """Notes that a worker has ended, or is lost."""
        with self._lock:
            worker = self._workers.pop(key, None)
            self._heard.pop(key, None)
        if worker is not None:
            worker.end(reason, loss)
            if not worker.is_taken:  # nobody else closes it
                worker.close()
        self.changed()

    def leave(self, process: str) -> None:
        """Notes that a process will not join again."""
        with self._lock:
            self._present.pop(process, None)

    def expire(self) -> None:
        """Ends the workers that have not been heard of for longer than the lease."""
        now = self._clock()
        with self._lock:
            lost = [key for key, heard in self._heard.items() if now - heard > self.lease]
            names = {key: self._workers[key].name for key in lost}
            for key in [key for key, worker in self._workers.items() if not worker.is_open]:
                self._workers.pop(key)
                self._heard.pop(key, None)
        for key, name in names.items():
            silent = f"its worker {name} was lost: nothing was heard of it for {self.lease:g} s"
            self.end(key, silent, "worker")

    def attach(self, greet: Greet, on_change: Callable[[], None]) -> None:
        """From now on workers get this work, also those that wait for some.

        Args:
            greet: sends the work to a worker.
            on_change: called, by any thread, when messages have arrived, when a worker has ended,
                and when `take` may return another one.
        """
        with self._lock:
            self._greet, self._on_change = greet, on_change
            for worker in self._free:
                greet(worker)

    def detach(self) -> None:
        """There is no work for the time being."""
        with self._lock:
            self._greet, self._on_change = None, _nothing
            started, self._free = self._free, []
        for worker in started:  # they have work that is over; they join again
            worker.close()

    def take(self) -> JoinedWorker | None:
        """Returns a worker that is ready, and is not taken yet; None if there is none."""
        with self._lock:
            self._free = [one for one in self._free if one.death() is None and one.is_open]
            ready = next((one for one in self._free if one.is_ready), None)
            if ready is not None:
                self._free.remove(ready)
                ready.is_taken = True
            return ready

    def changed(self) -> None:
        """Notifies the study of a change."""
        self._on_change()

    # -- the end of the study

    def finish(self) -> None:
        """Ends the study: further requests get that as their response."""
        self.is_over = True
        self.close()

    def close(self) -> None:
        """Ends all connections."""
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.close()

    @property
    def num_untold(self) -> int:
        """Processes that were heard of lately and do not know that the study has ended."""
        with self._lock:
            now = self._clock()
            return sum(now - heard <= self.lease for heard in self._present.values())


def _nothing() -> None:
    """Does nothing."""
