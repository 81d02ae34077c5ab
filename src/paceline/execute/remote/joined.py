"""The study's side of a worker that has joined over HTTP."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from paceline.execute.remote.mailbox import Inbox, Outbox
from paceline.execute.worker_slot import Loss

MOST_BYTES = 2**32
"""How long a message from a worker may be; they have proved that they know the token."""


class OutboxLink(Connection):
    """The study's end of the connection to a worker: what it sends waits until it is asked for."""

    def __init__(self, made: socket.socket, put: Callable[[bytes], None]) -> None:
        """Receives from a socket, sends by a function."""
        super().__init__(made.detach())
        self._put = put

    def send_bytes(self, buf: Any, offset: int = 0, size: int | None = None) -> None:
        """Sends a message, without waiting for its arrival."""
        whole = bytes(buf)
        self._put(whole[offset : None if size is None else offset + size])


class JoinedWorker:
    """A worker that has joined, and the messages to and from it.

    Attributes:
        key: names this connection; a worker that joins again gets a new one.
        process: names the worker's process, also when it joins again.
        name: machine and process.
        link: the study's end of the connection.
        memory: bytes of memory in use, if they are more than the limit; else 0.
        has_asked: whether it has asked for messages.
        is_taken: whether the study uses it.
        is_open: whether messages can be exchanged.
        is_ready: whether its first message has arrived, that it can work.
        outbox, inbox: the messages to and from it.
        pass_on: takes each message from it; by default the link does.
    """

    start_advice = ""
    serves_once = False

    def __init__(self, key: str, process: str, name: str, wake: Callable[[], None]) -> None:
        """Nothing has been exchanged.

        Args:
            key: names this connection.
            process: names the worker's process.
            name: machine and process.
            wake: called, by any thread, when there is something to fetch for the worker.
        """
        ours, theirs = socket.socketpair()
        self.key, self.process, self.name = key, process, name
        self.link: Connection = OutboxLink(ours, self._put)
        self.memory = 0
        self.has_asked = self.is_ready = self.is_taken = False
        self.outbox, self.inbox = Outbox(), Inbox(MOST_BYTES)
        self._theirs, self._inner = theirs, Connection(os.dup(theirs.fileno()))
        self._lock = threading.Lock()  # held while a message is passed on
        self.pass_on: Callable[[bytes], None] = self._inner.send_bytes
        self._wake = wake
        self.is_open = True
        self._reason: str | None = None
        self._loss: Loss = "worker"

    def death(self, seconds: float = 0.0) -> str | None:  # noqa: ARG002
        """Returns why the worker ended or was lost, as a sentence, or None while it is alive."""
        return self._reason

    @property
    def loss(self) -> Loss:
        """Whether it ended by its own call, with its machine, or has given its trial back."""
        return self._loss

    def close(self) -> None:
        """Ends the connection; the worker then ends its call, and may join again."""
        self.is_open = False
        self.link.close()  # a message that is being passed on is given up
        with self._lock:
            self._inner.close()
            self._theirs.close()
        self._wake()

    def deliver(self, body: bytes) -> None:
        """Passes messages from the worker on to the study; may wait until it reads them.

        Raises:
            Malformed: the body is not one of a mailbox.
        """
        with self._lock, suppress(OSError):  # closed meanwhile
            for message in self.inbox.take(body):
                self.is_ready = True
                self.pass_on(message)

    def end(self, reason: str, loss: Loss) -> None:
        """Marks the worker as ended or lost; the study notices by the end of the connection."""
        if self.is_open:
            self.is_open, self._reason, self._loss = False, reason, loss
            with suppress(OSError):  # closed meanwhile
                self._theirs.shutdown(socket.SHUT_RDWR)  # what was sent can still be read
        self._wake()

    def _put(self, message: bytes) -> None:
        self.outbox.put(message)
        self._wake()
