"""Engines in threads of the tests, which can be lost at chosen messages."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from paceline.execute.engines.engine import Open, run_engine
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.lane_facts import LaneFacts
from paceline.train.device_facts import DeviceFacts

FACTS = LaneFacts(DeviceFacts("cpu", 1, 2, 2**32), 2**20)

Loses = Callable[[int, Message], bool]
"""Whether an engine, by its number, is lost when it has sent a message."""


class ThreadLink:
    """An engine in a thread."""

    def __init__(self, number: int, wake: Callable[[], None], supply: "Threads") -> None:
        self.name = f"thread {number}"
        self.sent: list[str] = []
        self._number, self._wake, self._supply = number, wake, supply
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._loss: str | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def loss(self) -> str | None:
        return self._loss

    def send(self, message: Message) -> None:
        self.sent.append(message.kind)
        self._inbox.put(decoded(encoded(message)))

    def receive(self) -> Sequence[Message]:
        found = []
        while not self._arrived.empty():
            found.append(self._arrived.get())
        return found

    def close(self) -> None:
        self._loss = self._loss or "it was closed"
        self._inbox.put(None)
        self._thread.join(600)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        run_engine(self._inbox, self._answer, lambda: FACTS, self._supply.open_executor)

    def _answer(self, message: Message) -> None:
        if self._loss is not None:
            raise OSError(self._loss)
        if self._supply.loses(self._number, message):
            self._loss = "it was told to"
        else:
            self._arrived.put(decoded(encoded(message)))
        self._wake()


@dataclass
class Threads:
    """A supply of engines in threads.

    Attributes:
        count: how many there are at once.
        open_executor: makes their executors; None for those of networks.
        loses: when an engine is lost; its message is lost as well.
        links: all engines so far.
    """

    count: int
    open_executor: Open | None = None
    loses: Loses = lambda _, __: False
    links: list[ThreadLink] = field(default_factory=list)
    starts_engines: bool = True
    has_same_main: bool = True
    advice: str = "Look at the test."

    def connect(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def take(self, held: int) -> ThreadLink | None:
        if held >= self.count:
            return None
        self.links.append(ThreadLink(len(self.links), self._wake, self))
        return self.links[-1]

    def close(self) -> None:
        pass
