"""The study's side of an actor that calls the function objective."""

import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from paceline.execute.function_call import encoded
from paceline.execute.ray.handle import ActorHandle
from paceline.execute.worker_slot import Loss


class ActorLink(Connection):
    """The study's end of the connection to an actor: what it sends are calls of the actor."""

    def __init__(self, made: socket.socket, actor: Any) -> None:
        """Receives from a socket, sends to an actor."""
        super().__init__(made.detach())
        self._actor = actor

    def send_bytes(self, buf: Any, offset: int = 0, size: int | None = None) -> None:
        """Sends a message, without waiting for its arrival."""
        whole = bytes(buf)
        self._actor.send.remote(whole[offset : None if size is None else offset + size])


class RayWorker(ActorHandle):
    """An actor that calls the function.

    Attributes:
        link: the study's end of the connection.
        memory: bytes of memory in use, if they are more than the limit; else 0.
    """

    start_advice = ""
    serves_once = False

    def __init__(self, actor: Any, on_change: Callable[[ActorHandle], None]) -> None:
        """Waits for nothing yet; see `ActorHandle`."""
        super().__init__(actor, on_change)
        ours, theirs = socket.socketpair()
        self.link: Connection = ActorLink(ours, actor)
        self._inner = Connection(theirs.detach())
        self.memory = 0

    @property
    def loss(self) -> Loss:
        """Whether it ended by its own call, or with its node."""
        return self._cause

    def close(self) -> None:
        """Ends the actor and the call that it runs."""
        self.link.close()
        super().close()

    def start(self) -> None:
        """Says to the study that the function can be called."""
        self._inner.send_bytes(encoded("ready"))

    def _take(self, received: tuple[list[bytes], int]) -> None:
        messages, self.memory = received
        for message in messages:
            self._inner.send_bytes(message)

    def _end(self) -> None:
        self._inner.close()
