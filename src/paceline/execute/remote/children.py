"""The processes in which a worker calls a function, or trains networks."""

import json
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

from paceline.core import InvalidInput, PacelineError
from paceline.execute.engines.contents import error_of
from paceline.execute.engines.messages import Message, encoded
from paceline.execute.engines.process_engine import ProcessEngine
from paceline.execute.process_worker import ProcessWorker
from paceline.execute.remote.shipped import FUNCTION, loader

_KIND_BYTES = 8


class Child(Protocol):
    """A process that works for the study; it can be killed.

    Attributes:
        link: this end of the connection to it; the study's messages go there unchanged.
        memory_limit: bytes that it may take; None for no limit.
        gives_back: whether it has something to send when its trials go back to the study.
    """

    link: Connection
    memory_limit: int | None
    gives_back: bool

    @property
    def memory(self) -> int:
        """Bytes of memory in use."""

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why it ended, as a sentence, or None while it is alive."""

    def kind(self, message: bytes) -> str:
        """The kind of a message from it."""

    def refusal(self, message: bytes) -> PacelineError | None:
        """Why it cannot do the work, if a message says so."""

    def give_back(self) -> None:
        """Asks for what there is to send, up to a message of the kind ``stopped``."""

    def close(self) -> None:
        """Kills it."""


def started(opening: Sequence[bytes]) -> Child:
    """The process for the work that has arrived from a study."""
    is_function = json.loads(opening[0])["kind"] == FUNCTION
    return FunctionChild(opening) if is_function else EngineChild()


class FunctionChild(ProcessWorker):
    """A process that calls a function; see `paceline.execute.process_worker`."""

    gives_back = False

    def __init__(self, opening: Sequence[bytes]) -> None:
        """Starts it.

        Args:
            opening: the messages with the function.
        """
        load, head = loader(opening)
        self.memory_limit: int | None = head["memory"]
        super().__init__(load, head["metric"])

    def kind(self, message: bytes) -> str:
        """The kind of a message."""
        return str(json.loads(message)["kind"])

    def refusal(self, message: bytes) -> PacelineError | None:
        """The error if the function cannot be imported."""
        content = json.loads(message)
        if content["kind"] != "import_failed":
            return None
        return cannot_load("the function", content["error"])

    def give_back(self) -> None:
        """Nothing: a function starts again from its beginning."""


class EngineChild(ProcessEngine):
    """A process that trains networks; see `paceline.execute.engines`."""

    gives_back = True
    memory_limit: int | None = None
    memory = 0

    def kind(self, message: bytes) -> str:
        """The kind of a message."""
        return str(_head(message)["kind"])

    def refusal(self, message: bytes) -> PacelineError | None:
        """The error if the build function cannot be imported, or the work not be done."""
        head = _head(message)
        if head["kind"] != "refused":
            return None
        content = head["content"]
        if "import" in content:
            return cannot_load("the build function", content["import"])
        return error_of(content["error"])

    def give_back(self) -> None:
        """Asks for the snapshots of all running networks."""
        self.link.send_bytes(encoded(Message("stop")))


def cannot_load(what: str, error: str) -> InvalidInput:
    """The error of a worker that cannot import the code of the study."""
    return InvalidInput(
        f"{what} of the study cannot be loaded here ({error})",
        expected="a function that this process can import",
        fix="Install its module, or start the worker where it can be imported (PYTHONPATH). "
        "Functions of the script itself are sent with all that they refer to in it.",
    )


def _head(message: bytes) -> dict[str, Any]:
    """The JSON of a message of an engine, without its arrays."""
    end = _KIND_BYTES + int.from_bytes(message[:_KIND_BYTES], "little")
    head: dict[str, Any] = json.loads(message[_KIND_BYTES:end])
    return head
