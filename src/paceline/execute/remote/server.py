"""The server through which workers join a study: a thread of the study's process.

It is in that process, and not beside it as the live page is, since it passes on the messages of
running trials: what the search decides next depends on them. Requests are signed, see
`paceline.execute.remote.signing`, and only those are answered.

| request | content | answer |
| --- | --- | --- |
| ``/join`` | study, versions, process, name | the key of the connection, seconds of a lease |
| ``/KEY/receive`` | parts that have arrived | parts of messages; waits for them for a while |
| ``/KEY/send`` | parts of messages | how many parts have arrived |
| ``/KEY/memory`` | bytes in use, more than the limit | |
| ``/KEY/end`` | why the worker ends, and whether it will not join again | |
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from paceline.execute.remote.joined import JoinedWorker
from paceline.execute.remote.lobby import Lobby
from paceline.execute.remote.mailbox import BODY_BYTES, Malformed
from paceline.execute.remote.signing import (
    DIGEST,
    NONCE,
    SERVER,
    SIGNATURE,
    digest_of,
    is_signed_request,
    sign_answer,
)
from paceline.execute.versions import differences, versions
from paceline.serving.address import Address
from paceline.serving.connections import PatientProtocol
from paceline.serving.guard import Guard
from paceline.serving.server import serve, server_of

POLL_SECONDS = 2.5
"""How long a request for messages waits for one; it is also the worker's sign of life."""

_TICK_SECONDS = 1.0
_FAREWELL_SECONDS = 5.0
_LOSSES = ("own", "worker", "returned")
_MOST_NONCES = 100_000

Json = dict[str, Any]
Handler = Callable[[Request, bytes], Awaitable[tuple[int, bytes]]]


class StudyServer:
    """Serves until it is closed.

    Attributes:
        lobby: the workers that have joined.
        study: the name of the study; empty for any.
        on_refusal: called with a line about each worker that was refused.
    """

    def __init__(
        self, address: Address, token: str, lobby: Lobby, on_refusal: Callable[[str], None]
    ) -> None:
        """Starts to serve.

        Args:
            address: where; closed at the end.
            token: the workers know it, too.
            lobby: where workers join.
            on_refusal: called with a line about each worker that was refused.
        """
        self.lobby, self.study, self.on_refusal = lobby, "", on_refusal
        self._address, self._token = address, token
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._changed: dict[str, asyncio.Event] = {}
        self._nonces: dict[str, None] = {}  # of requests to join, in their order
        self._begun, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._serve, name="paceline-workers", daemon=True)
        self._thread.start()
        self._begun.wait()

    def close(self, is_over: bool) -> None:
        """Ends the server.

        Args:
            is_over: whether the study has ended, so that workers end, too. Otherwise they wait for
                it to continue.
        """
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has ended by itself
                done = asyncio.run_coroutine_threadsafe(self._end(is_over), self._loop)
                done.result()
        self._thread.join()
        self._address.socket.close()
        self.lobby.close()

    # -- the thread

    def _serve(self) -> None:
        try:
            asyncio.run(self._serving())
        finally:
            self._begun.set()

    async def _serving(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server_of(self._application(), PatientProtocol, keep_alive_seconds=60)
        ticking = asyncio.create_task(self._tick())
        self._begun.set()
        await serve(self._server, self._address)
        ticking.cancel()

    async def _tick(self) -> None:
        """Looks for lost workers, unless this thread has been late itself."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK_SECONDS)
            if loop.time() - before < 2 * _TICK_SECONDS:
                self.lobby.expire()

    async def _end(self, is_over: bool) -> None:
        if is_over:
            self.lobby.finish()
            left = _FAREWELL_SECONDS
            while self.lobby.num_untold and left > 0:
                await asyncio.sleep(0.05)
                left -= 0.05
        self._is_closing = True
        for event in self._changed.values():
            event.set()
        if self._server is not None:
            self._server.should_exit = True

    # -- requests

    def _application(self) -> Starlette:
        guard = Middleware(Guard, hosts=self._address.names, token=None, cookie="")
        handlers = {
            "/join": self._join,
            "/{key}/receive": self._receive,
            "/{key}/send": self._send,
            "/{key}/memory": self._memory,
            "/{key}/end": self._ended,
        }
        routes = [
            Route(path, partial(self._answer, handler), methods=["POST"])
            for path, handler in handlers.items()
        ]
        return Starlette(routes=routes, middleware=[guard])

    async def _answer(self, handler: Handler, request: Request) -> Response:
        """The signed answer to a signed request; strangers are refused before their body."""
        if self._is_closing:  # as a proxy whose server is away
            return Response(status_code=503, headers={"Connection": "close"})
        headers = {SERVER: "workers"}
        if not is_signed_request(self._token, request.url.path, request.headers):
            return Response(status_code=401, headers={**headers, "Connection": "close"})
        body = await _body(request)
        if body is None or digest_of(body) != request.headers[DIGEST]:
            return Response(status_code=400, headers={**headers, "Connection": "close"})
        try:
            status, content = await handler(request, body)
        except (Malformed, ValueError, KeyError, TypeError) as error:
            status, content = 400, _json({"error": [f"a request is malformed ({error})", "", ""]})
        headers[SIGNATURE] = sign_answer(self._token, request.headers[NONCE], status, content)
        return Response(content, status, headers, media_type="application/octet-stream")

    async def _join(self, request: Request, body: bytes) -> tuple[int, bytes]:
        self._check_is_new(request.headers[NONCE])
        about = json.loads(body)
        process, name = str(about["process"])[:64], _shown(about["name"])
        if self.lobby.is_over:
            self.lobby.leave(process)
            return 410, _json({"over": True})
        if self.study and about["study"] != self.study:
            wanted = _shown(about["study"])
            return self._refused(
                name,
                f"the worker is for study {wanted}, and this is the server of {self.study}",
                "the server of that study",
                f"To join this one: paceline worker {self.study} --server ...",
            )
        if different := differences(versions(), about["versions"]):
            return self._refused(
                name,
                f"the versions on the worker {name} differ: {different}",
                "the same versions of Python, paceline, keras and jax as the study's",
            )
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(event.set)

        worker = self.lobby.join(process, name, wake)
        self._changed = {
            key: known for key, known in self._changed.items() if self.lobby.has(key)
        } | {worker.key: event}
        return 200, _json({"key": worker.key, "lease": self.lobby.lease})

    def _check_is_new(self, nonce: str) -> None:
        """Refuses a recorded request to join: it would end the connection of its worker.

        Raises:
            ValueError: it has been there before.
        """
        if nonce in self._nonces:
            raise ValueError("it is repeated")
        self._nonces[nonce] = None
        if len(self._nonces) > _MOST_NONCES:
            del self._nonces[next(iter(self._nonces))]

    async def _receive(self, request: Request, body: bytes) -> tuple[int, bytes]:
        after = int(json.loads(body)["after"])
        worker = self._found(request)
        if worker is None:
            return self._gone(json.loads(body))
        self.lobby.asked(worker)
        event = self._changed[worker.key]
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                while not self._is_closing:
                    event.clear()
                    if (found := worker.outbox.body(after)) is not None:
                        return 200, found
                    if not worker.is_open:
                        return self._gone(json.loads(body))
                    await event.wait()
        self._found(request)  # it has waited until now
        return 200, b""

    async def _send(self, request: Request, body: bytes) -> tuple[int, bytes]:
        worker = self._found(request)
        if worker is None:
            return self._gone({})
        await asyncio.to_thread(worker.deliver, body)
        self.lobby.changed()
        return 200, _json({"taken": worker.inbox.num_taken})

    async def _memory(self, request: Request, body: bytes) -> tuple[int, bytes]:
        worker = self._found(request)
        if worker is None:
            return self._gone({})
        worker.memory = int(json.loads(body)["bytes"])
        return 200, b""

    async def _ended(self, request: Request, body: bytes) -> tuple[int, bytes]:
        about = json.loads(body)
        reason, loss, worker = str(about["reason"]), about["loss"], self._found(request)
        if loss not in _LOSSES:
            raise ValueError(f"loss is {loss!r}")
        if about["leaves"]:
            self.lobby.leave(str(about["process"]))
        if worker is not None:
            self.lobby.end(worker.key, reason, loss)
            if about["refused"]:
                self.on_refusal(f"The worker {worker.name} cannot work: {_shown(reason, 2000)}")
        return 200, b""

    def _found(self, request: Request) -> JoinedWorker | None:
        return self.lobby.find(request.path_params["key"])

    def _gone(self, about: Json) -> tuple[int, bytes]:
        """The answer to a worker whose connection has ended."""
        if self.lobby.is_over and "process" in about:
            self.lobby.leave(str(about["process"]))
        return 410, _json({"over": self.lobby.is_over})

    def _refused(self, name: str, passed: str, expected: str, fix: str = "") -> tuple[int, bytes]:
        self.on_refusal(f"The worker {name} was refused: {passed}")
        return 409, _json({"error": [passed, expected, fix]})


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it is too long or the client has gone."""
    parts, size = [], 0
    with suppress(ClientDisconnect):
        async for part in request.stream():
            size += len(part)
            if size > BODY_BYTES:
                return None
            parts.append(part)
        return b"".join(parts)
    return None


def _json(content: Json) -> bytes:
    return json.dumps(content).encode()


def _shown(text: object, most: int = 200) -> str:
    """A text from outside for one line of a message: without control characters."""
    return "".join(one if one.isprintable() else " " for one in str(text))[:most]
