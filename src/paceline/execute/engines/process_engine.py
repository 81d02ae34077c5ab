"""Engines in processes of this machine, each with a share of its cores or a GPU."""

import os
import queue
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Protocol

from paceline.execute.engines.engine import run_engine
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.spawned import SpawnedProcess

_END_SECONDS = 10.0  # from the end of a connection to that of its process


class ConnectedEngine(Protocol):
    """An engine in another process, with a connection of `multiprocessing` to it.

    Attributes:
        link: the connection, on which messages go as bytes.
        name: in the study's record.
    """

    link: Connection
    name: str

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why it ended, as a sentence, or None while it is alive; waits for that long."""

    def kill(self) -> None:
        """Ends it; the connection has an end then."""

    def close(self) -> None:
        """Ends it and frees the connection."""


class ProcessEngine:
    """A process with an engine.

    Attributes:
        link: the connection to it, on which messages go as bytes.
        name: its machine and number.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, cores: Collection[int] | None = None
    ) -> None:
        """Starts the process.

        Args:
            environment: variables that it has besides those of this process.
            cores: numbers of the cores that it may use; None for those of this process.
        """
        with _inherited(environment or {}, cores):
            self._process = SpawnedProcess(serve_engine, (), "paceline-engine")
        self.link: Connection = self._process.link
        self.name = f"{socket.gethostname()}:{self._process.pid}"

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the process ended, as a sentence, or None while it is alive.

        Args:
            seconds: how long to wait for its end.
        """
        return self._process.death(seconds)

    def kill(self) -> None:
        """Kills the process and its children; the connection has an end then."""
        self._process.kill()

    def close(self) -> None:
        """Kills the process and its children, and frees the connection."""
        self._process.close()


def serve_engine(link: Connection) -> None:
    """What the process of an engine runs: it answers messages until the connection is closed."""
    inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(link, inbox), name="paceline-link", daemon=True).start()
    run_engine(inbox, lambda message: link.send_bytes(encoded(message)))


def _read(link: Connection, inbox: "queue.SimpleQueue[Message | None]") -> None:
    with suppress(EOFError, OSError):
        while True:
            inbox.put(decoded(link.recv_bytes()))
    inbox.put(None)


@contextmanager
def _inherited(environment: Mapping[str, str], cores: Collection[int] | None) -> Iterator[None]:
    """Processes started in the block have these variables and cores before they import anything.

    JAX and NumPy read both when they are imported. Cores are those of this thread.
    """
    before = {name: os.environ.get(name) for name in environment}
    own = os.sched_getaffinity(0) if cores and hasattr(os, "sched_setaffinity") else None
    os.environ.update(environment)
    if own is not None and cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if own is not None:
            os.sched_setaffinity(0, own)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class PipeLink:
    """The driver's end of the connection to an engine in a process."""

    def __init__(self, engine: ConnectedEngine, wake: Callable[[], None]) -> None:
        """Starts threads that send and receive.

        Args:
            engine: its other end.
            wake: called when a message has arrived, or the process has ended.
        """
        self.name, self.is_closed = engine.name, False
        self._engine, self._wake = engine, wake
        self._arrived: deque[Message] = deque()
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._loss: str | None = None
        self._threads = [
            threading.Thread(target=work, name="paceline-link", daemon=True)
            for work in (self._receive, self._send)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def loss(self) -> str | None:
        """Why the process has ended; None while it is alive."""
        return self._loss

    def send(self, message: Message) -> None:
        """Sends a message in another thread."""
        self._outbox.put(message)

    def receive(self) -> Sequence[Message]:
        """The messages that have arrived."""
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    def close(self) -> None:
        """Kills the process and ends the threads."""
        self.is_closed = True
        self._engine.kill()  # both threads then see the end of the connection
        self._outbox.put(None)
        for thread in self._threads:
            thread.join()
        self._engine.close()

    def _receive(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._arrived.append(decoded(self._engine.link.recv_bytes()))
                self._wake()
        closed = "the worker process has closed its connection to the study"
        self._loss = self._engine.death(_END_SECONDS) or closed
        self._wake()

    def _send(self) -> None:
        with suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._engine.link.send_bytes(encoded(message))


@dataclass(frozen=True, slots=True, eq=False)
class EnginePlace:
    """Where an engine runs.

    Attributes:
        cores: numbers of its cores; None for all.
        environment: variables that it has besides those of this process.
    """

    cores: tuple[int, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class ProcessSupply:
    """Engines in processes, one for each place; a lost one is started again."""

    starts_engines = True
    has_same_main = True
    advice = "Its own output is above. In a script, call tune under: if __name__ == '__main__':"

    def __init__(self, places: Sequence[EnginePlace]) -> None:
        """Starts no process yet."""
        self._links: dict[EnginePlace, PipeLink | None] = dict.fromkeys(places)
        self._wake: Callable[[], None] = lambda: None

    def connect(self, wake: Callable[[], None]) -> None:
        """Notes what to call when messages arrive."""
        self._wake = wake

    def take(self, held: int) -> PipeLink | None:  # noqa: ARG002 - places know whether they are free
        """Starts a process at a free place; None if there is none."""
        for place, link in self._links.items():
            if link is None or link.is_closed:
                engine = ProcessEngine(place.environment, place.cores)
                self._links[place] = PipeLink(engine, self._wake)
                return self._links[place]
        return None

    def close(self) -> None:
        """Nothing to end: all processes were taken."""
