"""The study's side of an actor: a thread that waits for what it says, and why it ended."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from paceline.execute.ray.cluster import ray_module
from paceline.execute.worker_slot import Loss

_CLOSING_SECONDS = 10.0


class ActorHandle(ABC):
    """An actor that may still be starting.

    The actor has a method ``receive``, which waits for messages and returns them; the first time,
    it returns what the actor says of itself. When the study calls `close`, the actor ends.

    Attributes:
        first: what the actor says of itself: ``kind``, ``name`` and ``node``, besides others; None
            before it has started.
        name: its machine and process; empty before it has started.
    """

    def __init__(self, actor: Any, on_change: Callable[["ActorHandle"], None]) -> None:
        """Starts a thread that waits for the actor.

        Args:
            actor: Ray's handle of the actor.
            on_change: called, from that thread, when the actor has started, and when it has ended.
        """
        self.first: Mapping[str, Any] | None = None
        self.name = ""
        self._actor, self._on_change = actor, on_change
        self._reason: str | None = None
        self._cause: Loss = "worker"
        self._thread = threading.Thread(target=self._relay, name="paceline-ray", daemon=True)

    def listen(self) -> Self:
        """Starts to wait for the actor."""
        self._thread.start()
        return self

    @property
    def lost_node(self) -> str | None:
        """The node of the actor, by Ray's name, if it was lost with its node."""
        is_lost = self._reason is not None and self._cause == "worker"
        return str(self.first["node"]) if is_lost and self.first is not None else None

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the actor ended, as a sentence, or None while it is alive."""
        self._thread.join(seconds)
        return self._reason

    def close(self) -> None:
        """Ends the actor and what it runs."""
        with suppress(Exception):  # the cluster has ended
            ray_module().kill(self._actor)
        self._thread.join(_CLOSING_SECONDS)

    @abstractmethod
    def _take(self, received: Any) -> None:
        """Takes what ``receive`` of the actor has returned; called from the thread.

        Raises:
            OSError: the study does not listen any more.
        """

    @abstractmethod
    def _end(self) -> None:
        """Called from the thread at its end."""

    def _relay(self) -> None:
        """Passes on what the actor says, until it ends."""
        ray = ray_module()
        try:
            first = ray.get(self._actor.receive.remote())
            self.name, self.first = first["name"], first
            self._on_change(self)
            while True:
                self._take(ray.get(self._actor.receive.remote()))
        except OSError:  # it was closed here
            pass
        except Exception as error:  # errors of Ray, or those of the actor's constructor
            self._cause, self._reason = cause_of(ray, error, self.name)
        finally:
            self._end()
            self._on_change(self)


def cause_of(ray: Any, error: Exception, name: str) -> tuple[Loss, str]:
    """Why an actor ended: by its own process or with its node, and as a sentence.

    Ray says in words only whether the process or the node has ended.
    """
    where = f"its Ray worker {name}".rstrip()
    if getattr(error, "actor_init_failed", False):
        return "worker", f"the Ray worker could not start: {_last_line(error)}"
    text = str(error)
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in text:
        return "worker", f"{where} was ended, since the memory of its node ran out"
    died = isinstance(error, ray.exceptions.ActorDiedError)
    if died and "worker process has died" in text:
        return "own", f"the process of {where} has ended"
    if died and "node" in text:
        return "worker", f"the node of {where} was lost"
    return "worker", f"{where} was lost: {_last_line(error)}"


def _last_line(error: BaseException) -> str:
    """The last line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
