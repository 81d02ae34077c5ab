"""The study's side of an actor that calls the function objective."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from paceline.execute.ray.cluster import ray_module
from paceline.execute.worker_slot import Loss

_CLOSING_SECONDS = 10.0


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


class RayWorker:
    """An actor that calls the function.

    Attributes:
        link: the study's end of the connection.
        memory: bytes of memory in use, if they are more than the limit; else 0.
        first: the actor's first message, which says whether it can call the function; None before
            that.
    """

    start_advice = ""
    serves_once = False

    def __init__(self, actor: Any, on_change: Callable[["RayWorker"], None]) -> None:
        """Starts a thread that waits for the actor's messages.

        Args:
            actor: the handle of the actor, which may still be starting.
            on_change: called, from another thread, when it has started or ended.
        """
        ours, theirs = socket.socketpair()
        self.link: Connection = ActorLink(ours, actor)
        self.memory = 0
        self.first: Mapping[str, Any] | None = None
        self._actor, self._inner = actor, Connection(theirs.detach())
        self._reason: str | None = None
        self._loss: Loss = "worker"
        self._on_change = on_change
        self._thread = threading.Thread(target=self._relay, name="paceline-ray", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str | None:
        """The machine and process of the actor."""
        return None if self.first is None else str(self.first["name"])

    @property
    def lost_node(self) -> str | None:
        """The node of the actor, by Ray's name, if it was lost with its node."""
        is_lost = self._reason is not None and self._loss == "worker"
        return str(self.first["node"]) if is_lost and self.first is not None else None

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the actor ended, as a sentence, or None while it is alive."""
        self._thread.join(seconds)
        return self._reason

    @property
    def loss(self) -> Loss:
        """Whether it ended by its own call, or with its node."""
        return self._loss

    def close(self) -> None:
        """Ends the actor and the call that it runs."""
        self.link.close()
        with suppress(Exception):  # the cluster has ended
            ray_module().kill(self._actor)
        self._thread.join(_CLOSING_SECONDS)

    def _relay(self) -> None:
        """Passes on what the actor says, until it ends."""
        ray = ray_module()
        try:
            while True:
                messages, self.memory = ray.get(self._actor.receive.remote())
                if self.first is None:
                    self.first = json.loads(messages[0])
                    self._on_change(self)
                for message in messages:
                    self._inner.send_bytes(message)
        except OSError:  # it was closed here
            pass
        except Exception as error:  # errors of Ray, or those of the actor's constructor
            self._loss, self._reason = cause_of(ray, error, self.name)
        finally:
            self._inner.close()
            self._on_change(self)


def cause_of(ray: Any, error: Exception, name: str | None) -> tuple[Loss, str]:
    """Why an actor ended: by its own process or with its node, and as a sentence.

    Ray says in words only whether the process or the node has ended.
    """
    where = "its Ray worker" if name is None else f"its Ray worker {name}"
    if getattr(error, "actor_init_failed", False):
        return "worker", f"the Ray worker could not start: {last_line(error)}"
    text = str(error)
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in text:
        return "worker", f"{where} was ended, since the memory of its node ran out"
    died = isinstance(error, ray.exceptions.ActorDiedError)
    if died and "worker process has died" in text:
        return "own", f"the process of {where} has ended"
    if died and "node" in text:
        return "worker", f"the node of {where} was lost"
    return "worker", f"{where} was lost: {last_line(error)}"


def last_line(error: BaseException) -> str:
    """The last line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
