"""What a transport offers to the driver: links to engines, and new ones when there is room."""

from collections.abc import Callable, Sequence
from typing import Protocol

from paceline.execute.engines.messages import Message


class Link(Protocol):
    """The driver's end of the connection to one engine.

    Attributes:
        name: the engine in the study's record, such as ``"host-2:4711"``.
    """

    name: str

    def send(self, message: Message) -> None:
        """Sends a message, without waiting for the engine; to a lost one it sends nothing."""

    def receive(self) -> Sequence[Message]:
        """The messages that have arrived, in order; does not wait.

        Those that arrived before the engine was lost are included.
        """

    @property
    def loss(self) -> str | None:
        """Why the engine was lost, as a sentence without its full stop; None while it is alive."""

    def close(self) -> None:
        """Ends the engine and frees the connection; it may be lost already."""


class EngineSupply(Protocol):
    """A transport: it starts engines, or they join by themselves.

    Attributes:
        starts_engines: whether it starts engines. If so, two in a row that cannot start while there
            is no other end the study; else one that is refused is only noted.
        has_same_main: whether engines run the script of this process as their main module, so that
            its functions can be found there by name.
        advice: what to look at if engines cannot start, as a sentence; empty if nothing is known.
    """

    starts_engines: bool
    has_same_main: bool
    advice: str

    def connect(self, wake: Callable[[], None]) -> None:
        """Prepares to start engines; called once, before the first `take`.

        Args:
            wake: to be called, from any thread, when a message has arrived, when an engine was
                lost, and when `take` may return an engine where it returned None.
        """

    def take(self, held: int) -> Link | None:
        """A new engine, which may still be starting; None if there is none now. Does not wait.

        Called whenever there is work for one more, so engines may join at any time.

        Args:
            held: engines that were taken and are not lost.

        Raises:
            PacelineError: no engine can be started.
        """

    def close(self) -> None:
        """Ends all engines that were not taken."""
