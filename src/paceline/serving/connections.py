"""Limits of connections: their number, and the time for a request to arrive."""

import asyncio
import errno
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""Seconds for a request to arrive, from its first byte or from opening the connection."""

_MOST = 256  # simultaneous connections of readers
_MOST_OF_WORKERS = 4096
_OTHER_FILES = 40  # file descriptors for everything else


def most_connections(most: int = _MOST) -> int:
    """Maximum number of connections, limited by the process's file descriptors."""
    if sys.platform == "win32":
        return most
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        most if limit == resource.RLIM_INFINITY else max(8, min(most, (limit - _OTHER_FILES) // 2))
    )


def backlog() -> int:
    """Number of connections that the system accepts before any of them can be refused."""
    return max(4, most_connections() // 2)


class CautiousProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a time limit for requests and a limit on the number of connections.

    At the limit, the oldest connection without a complete request is closed for a new one.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called for a new connection."""
        open_now = [one for one in self.connections if not one.transport.is_closing()]
        if len(open_now) >= self.num_most and not _made_place(open_now):
            transport.abort()
            return
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection was closed or refused."""
        self._request_came()
        if self.transport is not None:  # None: it was refused
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called for received bytes."""
        super().data_received(data)
        if self.is_complete:
            self._request_came()
        elif self._deadline is None:
            self._expect_request()

    @property
    def num_most(self) -> int:
        """How many connections there may be."""
        return most_connections()

    @property
    def is_complete(self) -> bool:
        """Whether a complete request has arrived, which is being answered."""
        return self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)

    @property
    def deadline(self) -> float:
        """When the current request must be complete, by the loop's clock; 0 if none has begun."""
        return 0.0 if self._deadline is None else self._deadline.when()

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _request_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PatientProtocol(CautiousProtocol):
    """For clients with large bodies, each part of which has the time limit, and more clients.

    Those who may send a body are known by the head of the request, which is as limited as before.
    """

    @property
    def num_most(self) -> int:
        """How many connections there may be: each worker has up to three."""
        return most_connections(_MOST_OF_WORKERS)

    def data_received(self, data: bytes) -> None:
        """Called for received bytes."""
        if self.conn.their_state is h11.SEND_BODY and self._deadline is not None:
            self._request_came()
        super().data_received(data)


def _made_place(connections: list[Any]) -> bool:
    """Closes the connection that has waited longest for its request; False if there is none."""
    waiting = [one for one in connections if not one.is_complete]
    if not waiting:
        return False
    min(waiting, key=lambda one: one.deadline).transport.abort()
    return True


def quiet_when_full(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler that logs no traceback when no file descriptor is left."""
    error = context.get("exception")
    if not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)):
        loop.default_exception_handler(context)
