"""A process that joins a study over HTTP, and what it does there.

This process exchanges messages with the study and keeps the connection alive; functions and
networks run in a process of their own, which can be killed, and whose load does not delay signs of
life.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from paceline.core import PacelineError
from paceline.execute.remote.children import Child, started
from paceline.execute.remote.client import Gone, Stopped, StudyAddress, StudyClient
from paceline.execute.remote.joined import MOST_BYTES
from paceline.execute.remote.mailbox import Inbox, Outbox
from paceline.execute.remote.shipped import is_whole
from paceline.execute.versions import versions

_MEMORY_INTERVAL = 0.1  # seconds between two measurements of the memory in use
_END_SECONDS = 5.0  # to send what is left, and to say that the worker ends
_GIVING_SECONDS = 15.0  # for the states of networks; SLURM kills 30 seconds after SIGTERM
_TRIES = 2  # starts of the process that works that fail one after the other


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a worker needs to join a study.

    Attributes:
        study: the name of the study.
        address: of its server.
        token: the study knows it, too.
        patience: seconds to wait for a server that is away.
    """

    study: str
    address: StudyAddress
    token: str
    patience: float


class Ended(Exception):
    """A connection to the study has ended.

    Attributes:
        cause: why, where that ends the worker, too.
        is_over: whether the study has ended.
    """

    def __init__(self, cause: BaseException | None = None, is_over: bool = False) -> None:
        """See the class."""
        super().__init__()
        self.cause, self.is_over = cause, is_over


class RemoteWorker:
    """Joins a study, again after each connection, until the study ends.

    Attributes:
        stop: ends the worker when it is set and `wake` was called.
    """

    def __init__(self, invitation: Invitation, tell: Callable[[str], None]) -> None:
        """Does not join yet.

        Args:
            invitation: which study.
            tell: called with lines for people.
        """
        self.stop = threading.Event()
        self._invitation, self._tell = invitation, tell
        self._process = secrets.token_hex(8)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._woken, self._wake = Pipe(duplex=False)
        self._was_there = self._is_away = False
        self._is_ready, self._num_failed = False, 0

    def end(self) -> None:
        """Gives the current trial back and ends; callable by a handler of signals."""
        self.stop.set()
        self._wake.send_bytes(b"")

    def run(self) -> None:
        """Works until the study has ended, or until `end` is called.

        Raises:
            InvalidInput: the study refuses this worker, or it cannot import the function.
            StudyUnreachable: the study's server is away for too long.
        """
        client = self._client()
        try:
            self._run(client)
        finally:
            client.close()

    def _run(self, client: StudyClient) -> None:
        while not self.stop.is_set():
            try:
                key = self._join(client)
            except (Gone, Stopped):  # the study has ended, or this worker is to end
                return
            connection = _Connection(key, self._client, client, self._process)
            try:
                self._serve(connection)
            except Ended as end:
                if end.cause is not None:
                    raise end.cause from None
                if end.is_over:
                    return

    def _client(self) -> StudyClient:
        asked = self._invitation
        return StudyClient(asked.address, asked.token, asked.patience, self.stop, self._tell_state)

    def _tell_state(self, away: str | None) -> None:
        """Says once that the server is away, and that it is back; called by several threads."""
        if (away is not None) != self._is_away:
            self._is_away = away is not None
            self._tell(away or "The study's server answers.")

    def _join(self, client: StudyClient) -> str:
        about = {
            "study": self._invitation.study,
            "versions": versions(),
            "process": self._process,
            "name": self._name,
        }
        joined = json.loads(client.post("/join", json.dumps(about).encode()))
        if not self._was_there:
            self._tell(f"Joined study {self._invitation.study}.")
            self._was_there = True
        return str(joined["key"])

    def _serve(self, connection: "_Connection") -> None:
        """Works over one connection."""
        child: Child | None = None
        limit: int | None = None
        opening: list[bytes] = []
        try:
            while True:
                links = [connection.arrived, self._woken] + ([child.link] if child else [])
                ready = wait(links, _MEMORY_INTERVAL if limit else None)
                if self.stop.is_set():
                    self._give_back(child, connection)
                    return
                if connection.arrived in ready:
                    for message in connection.received():
                        if child is not None:
                            with suppress(OSError):  # noticed below
                                child.link.send_bytes(message)
                            continue
                        opening.append(message)
                        if is_whole(opening):
                            child = started(opening)
                            limit, self._is_ready = child.memory_limit, False
                if child is not None and child.link in ready:
                    self._pass_on(child, connection)
                if child is not None and limit is not None and (used := child.memory) > limit:
                    connection.tell_memory(used)
                    limit = None
        finally:
            if child is not None:
                child.close()
            connection.close()

    def _pass_on(self, child: Child, connection: "_Connection") -> None:
        """Passes a message of the process that works on to the study."""
        try:
            message = child.link.recv_bytes()
        except (EOFError, OSError):
            reason = child.death(_END_SECONDS) or "its process has closed its connection"
            self._num_failed += not self._is_ready
            is_useless = self._num_failed >= _TRIES
            connection.end(reason, "own", leaves=is_useless, refused=is_useless)
            raise Ended(
                PacelineError(
                    f"The process that works for the study has ended {_TRIES} times before it "
                    f"could begin; the last time: {reason}"
                )
                if is_useless
                else None
            ) from None
        if not self._is_ready:
            if (error := child.refusal(message)) is not None:
                connection.end(str(error), "worker", leaves=True, refused=True)
                raise Ended(error)
            if child.kind(message) == "ready":
                self._is_ready, self._num_failed = True, 0
        connection.send(message)

    def _give_back(self, child: Child | None, connection: "_Connection") -> None:
        """Sends the states of what runs, if there are any, and says that this worker ends."""
        if child is not None and child.gives_back and self._is_ready:
            until = time.monotonic() + _GIVING_SECONDS
            with suppress(EOFError, OSError):
                child.give_back()
                while child.link.poll(max(0.0, until - time.monotonic())):
                    message = child.link.recv_bytes()
                    connection.send(message)
                    if child.kind(message) == "stopped":
                        break
        connection.end("its worker was asked to end", "returned", leaves=True)


class _Connection:
    """One connection to the study: a thread that asks for messages, and one that sends some.

    Attributes:
        arrived: receives an empty message when there is something to fetch by `received`.
    """

    def __init__(
        self,
        key: str,
        make_client: Callable[[], StudyClient],
        client: StudyClient,
        process: str,
    ) -> None:
        """Begins to ask.

        Args:
            key: names this connection.
            make_client: makes a client for each of the threads.
            client: that of the calling thread.
            process: identifies this process.
        """
        self.arrived: Connection
        self.arrived, self._arrival = Pipe(duplex=False)
        self._key, self._client, self._process = key, client, process
        self._inbox, self._outbox = Inbox(MOST_BYTES), Outbox()
        self._messages: list[bytes] = []
        self._ended: Ended | None = None
        self._lock = threading.Condition()
        self._is_closed = False
        self._num_put = self._num_sent = 0
        self._threads = [
            threading.Thread(target=run, args=(make_client(),), name="paceline-http", daemon=True)
            for run in (self._ask, self._deliver)
        ]
        for thread in self._threads:
            thread.start()

    def received(self) -> list[bytes]:
        """The messages that have arrived.

        Raises:
            Ended: the connection has ended.
        """
        with self._lock:
            self.arrived.recv_bytes()
            messages, self._messages = self._messages, []
            if self._ended is not None and not messages:
                raise self._ended
            if self._ended is not None:
                self._notify()
        return messages

    def send(self, message: bytes) -> None:
        """Sends a message, without waiting for its arrival."""
        with self._lock:
            self._outbox.put(message)
            self._num_put += 1
            self._lock.notify_all()

    def tell_memory(self, used: int) -> None:
        """Says that the function takes more memory than it may."""
        with suppress(Gone, Stopped, PacelineError):
            self._client.post(f"/{self._key}/memory", json.dumps({"bytes": used}).encode())

    def end(self, reason: str, loss: str, leaves: bool = False, refused: bool = False) -> None:
        """Sends what is left, then says that this connection ends.

        Args:
            reason: why, as a sentence.
            loss: what is to become of its trial, see `paceline.execute.worker_slot.Loss`.
            leaves: whether this process will not join again.
            refused: whether it cannot work at all.
        """
        with self._lock:
            self._lock.wait_for(self._is_sent, _END_SECONDS)
        about = {"reason": reason, "loss": loss, "leaves": leaves, "refused": refused}
        content = json.dumps({**about, "process": self._process}).encode()
        with suppress(Gone, Stopped, PacelineError):  # the server then finds it lost
            self._client.post(f"/{self._key}/end", content)

    def close(self) -> None:
        """Ends the threads, which may still wait for an answer."""
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
            self._arrival.close()
            self.arrived.close()

    def _is_sent(self) -> bool:
        return self._num_sent >= self._num_put or self._ended is not None

    # -- the threads

    def _ask(self, client: StudyClient) -> None:
        """Asks for messages until the connection ends."""
        with self._ending(client):
            while not self._is_closed:
                about = {"after": self._inbox.num_taken, "process": self._process}
                body = client.post(f"/{self._key}/receive", json.dumps(about).encode())
                messages = self._inbox.take(body) if body else []
                if messages:
                    self._arrive(messages)

    def _deliver(self, client: StudyClient) -> None:
        """Sends messages until the connection ends."""
        with self._ending(client):
            after = 0
            while True:
                with self._lock:
                    self._lock.wait_for(lambda: self._is_closed or not self._is_sent())
                    if self._is_closed:
                        return
                    num_put, body = self._num_put, self._outbox.body(after)
                if body is not None:
                    after = json.loads(client.post(f"/{self._key}/send", body))["taken"]
                    continue
                with self._lock:
                    self._num_sent = num_put
                    self._lock.notify_all()

    @contextmanager
    def _ending(self, client: StudyClient) -> Iterator[None]:
        """Whatever ends a thread ends the connection."""
        try:
            yield
        except Gone as gone:
            self._end_by(Ended(is_over=gone.is_over))
        except Stopped:
            self._end_by(Ended())
        except Exception as error:
            self._end_by(Ended(error))
        finally:
            client.close()

    def _end_by(self, end: Ended) -> None:
        with self._lock:
            self._ended = self._ended or end
            self._lock.notify_all()
            self._notify()

    def _arrive(self, messages: list[bytes]) -> None:
        with self._lock:
            self._messages += messages
            self._notify()

    def _notify(self) -> None:
        if not self._is_closed and not self.arrived.poll():
            self._arrival.send_bytes(b"")
