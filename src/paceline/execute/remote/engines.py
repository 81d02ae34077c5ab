"""The supply of engines that have joined a study of networks over HTTP."""

from collections import deque
from collections.abc import Callable, Sequence

from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.function_call import encoded as encoded_json
from paceline.execute.remote.joined import JoinedWorker
from paceline.execute.remote.lobby import Lobby
from paceline.execute.remote.shipped import ENGINE


class JoinedEngine:
    """The driver's end of the connection to an engine; see `paceline.execute.engines.link.Link`.

    Attributes:
        name: machine and process.
    """

    def __init__(self, worker: JoinedWorker, arrived: "deque[bytes]") -> None:
        """Takes over a worker.

        Args:
            worker: the worker.
            arrived: its messages.
        """
        self.name = worker.name
        self._worker, self._arrived = worker, arrived
        self._wrong: str | None = None

    def send(self, message: Message) -> None:
        """Sends a message, without waiting for the engine."""
        if self._worker.is_open:
            self._worker.link.send_bytes(encoded(message))

    def receive(self) -> Sequence[Message]:
        """The messages that have arrived, in order."""
        found: list[Message] = []
        while self._arrived:
            try:
                found.append(decoded(self._arrived.popleft()))
            except ValueError as error:
                self._wrong = f"it has sent what cannot be read ({error})"
        return found

    @property
    def loss(self) -> str | None:
        """Why the engine was lost; None while it is alive."""
        return self._worker.death() or self._wrong

    def close(self) -> None:
        """Ends the connection; the worker then ends its engine, and may join again."""
        self._worker.close()


class JoinedEngines:
    """Engines that join by themselves; see `paceline.execute.engines.link.EngineSupply`."""

    starts_engines = False
    has_same_main = False
    advice = ""

    def __init__(
        self, lobby: Lobby, limit: int | None, close: Callable[[], None] | None = None
    ) -> None:
        """Takes no engine yet.

        Args:
            lobby: where workers join.
            limit: how many engines at most; None for as many as join.
            close: called at the end.
        """
        self._lobby, self._limit, self._close = lobby, limit, close
        self._arrived: dict[str, deque[bytes]] = {}

    def connect(self, wake: Callable[[], None]) -> None:
        """Lets the workers in the lobby start engines."""

        def greet(worker: JoinedWorker) -> None:
            arrived = self._arrived[worker.key] = deque()
            worker.pass_on = arrived.append
            worker.link.send_bytes(encoded_json(ENGINE))

        self._lobby.attach(greet, wake)

    def take(self, held: int) -> JoinedEngine | None:
        """An engine that has said what it is, or None."""
        if self._limit is not None and held >= self._limit:
            return None
        worker = self._lobby.take()
        return None if worker is None else JoinedEngine(worker, self._arrived.pop(worker.key))

    def close(self) -> None:
        """Ends the engines that were not taken."""
        self._lobby.detach()
        if self._close is not None:
            self._close()
