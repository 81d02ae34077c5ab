"""One call inside a pool, and its connection to the study.

A pool is any `concurrent.futures.Executor`. All that it offers is a call and its result, so the
call itself connects back to the study, and exchanges messages: those of
`paceline.execute.function_call`, or those of an engine. Both ends prove that they know the key that
came with the call (by HMAC, as `multiprocessing.connection` does); messages are not encrypted.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import (
    Connection,
    answer_challenge,
    deliver_challenge,
    wait,
)

from paceline.execute.function_call import Function, send
from paceline.execute.thread_worker import ThreadWorker

Address = tuple[str, int]

_CONNECT_SECONDS = 30.0


class CannotConnect(OSError):
    """A call in a pool has not reached the study."""


def serve_call(address: Address, key: bytes, load: Callable[[], Function], metric: str) -> None:
    """Calls the function once; what the pool runs.

    The function runs in a thread of its own, in which it can be interrupted: when the connection
    is closed, since its time is over or the study has ended.

    Args:
        address: where the study waits for this call.
        key: proves that this is the call.
        load: imports the function.
        metric: the objective's name.

    Raises:
        CannotConnect: the study cannot be reached from here.
    """
    with connect(address, key) as study, suppress(OSError):  # the study has ended
        try:
            function = load()
        except Exception as error:
            send(study, "import_failed", error=f"{type(error).__name__}: {error}")
            return
        worker = ThreadWorker(function, metric)
        try:
            send(study, "ready")
            relay(study, worker.link)
        finally:
            worker.close()


def relay(a: Connection, b: Connection) -> Connection:
    """Passes messages on between two connections until one is closed; returns that one."""
    while True:
        ready = wait([a, b])
        for end, other in ((a, b), (b, a)):
            if end not in ready:
                continue
            try:
                message = end.recv_bytes()
            except (EOFError, OSError):
                return end
            try:
                other.send_bytes(message)
            except OSError:
                return other


def shut(link: Connection) -> None:
    """Closes a connection, also where a forked process has a copy of it."""
    if hasattr(os, "fork"):  # there, all connections are sockets
        with suppress(OSError), socket.socket(fileno=os.dup(link.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    link.close()


def accept(server: socket.socket, key: bytes) -> Connection | None:
    """Accepts a connection; None if the other end does not know the key."""
    link = _link(server.accept()[0])
    try:
        deliver_challenge(link, key)
        answer_challenge(link, key)
    except Exception:  # anything may arrive from outside
        link.close()
        return None
    return link


def connect(address: Address, key: bytes) -> Connection:
    """Connects a call to its study.

    Raises:
        CannotConnect: the study cannot be reached from here.
    """
    try:
        link = _link(socket.create_connection(address, _CONNECT_SECONDS))
        answer_challenge(link, key)
        deliver_challenge(link, key)
    except (OSError, EOFError) as error:
        host, port = address
        raise CannotConnect(
            f"{socket.gethostname()} cannot connect to the study at {host}:{port} ({error})"
        ) from error
    return link


def _link(made: socket.socket) -> Connection:
    made.settimeout(None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # messages are short
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notices a lost machine
    return Connection(made.detach())
