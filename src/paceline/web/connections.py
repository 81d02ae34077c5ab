"""Connections that nobody can keep from others: a limit to their number, and to how long a request
may take to come.
"""

import asyncio
import errno
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""How long a client may take to send a request, from its first byte or from opening the
connection.
"""

_MOST = 256  # connections at once
_OTHER_FILES = 40  # descriptors that the process needs for all else


def most_connections() -> int:
    """How many connections may be open at once: some are left of the descriptors that the process
    may have.
    """
    if sys.platform == "win32":
        return _MOST
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        _MOST
        if limit == resource.RLIM_INFINITY
        else max(8, min(_MOST, (limit - _OTHER_FILES) // 2))
    )


def backlog() -> int:
    """How many connections the system accepts at one go, before any of them can be refused."""
    return max(4, most_connections() // 2)


class CautiousProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a time limit for requests and a limit to the number of connections.

    Where all connections are taken, the oldest of those that have not sent a whole request makes
    place for a new one.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        open_now = [one for one in self.connections if not one.transport.is_closing()]
        if len(open_now) >= most_connections() and not _made_place(open_now):
            transport.abort()
            return
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or was refused."""
        self._request_came()
        if self.transport is not None:  # else it was refused
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        super().data_received(data)
        if self.is_complete:
            self._request_came()
        elif self._deadline is None:
            self._expect_request()

    @property
    def is_complete(self) -> bool:
        """Whether a whole request has come, which is being answered."""
        return self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)

    @property
    def deadline(self) -> float:
        """When the awaited request has to be there, by the loop's clock; 0 where none has begun to
        come.
        """
        return 0.0 if self._deadline is None else self._deadline.when()

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _request_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _made_place(connections: list[Any]) -> bool:
    """Ends the connection that has waited longest for its request; False where there is none."""
    waiting = [one for one in connections if not one.is_complete]
    if not waiting:
        return False
    min(waiting, key=lambda one: one.deadline).transport.abort()
    return True


def quiet_when_full(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler: that no descriptor is left for a new connection is no traceback's
    worth.
    """
    error = context.get("exception")
    if not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)):
        loop.default_exception_handler(context)
