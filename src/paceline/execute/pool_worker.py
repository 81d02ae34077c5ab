"""Calls in a pool that connect back: the study's side of each."""

import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

from paceline.core import InvalidInput
from paceline.execute.pool_call import Address, CannotConnect, accept, relay, serve_call, shut
from paceline.execute.pools import host_of, name_of_pool, renewed, repeats_lost_calls
from paceline.execute.process_worker import Load
from paceline.execute.worker_slot import Loss

_LOSS_SECONDS = 30.0
_CLOSING_SECONDS = 6.0  # a call deep in C code cannot be interrupted


ADVICE = (
    "Check that the pool itself works: its processes have to import paceline and the function's "
    "module, and connect to this machine. In a script, make the pool and call tune under: "
    "if __name__ == '__main__':"
)


class PoolCall:
    """One call in a pool.

    The call connects to a port that is open for it alone until it has. A thread passes messages
    on, so that those to a call that waits in the pool's queue do not block the study.

    Attributes:
        link: the study's end of the connection to it.
    """

    def __init__(self, pool: "RenewablePool", call: Callable[..., None], *args: Any) -> None:
        """Submits the call.

        Args:
            pool: where.
            call: is called with the address to connect to, the key of the connection, and `args`.
            args: further arguments.

        Raises:
            InvalidInput: the pool accepts no calls.
        """
        server = socket.create_server((pool.host, 0))
        address, key = server.getsockname(), secrets.token_bytes(32)
        self.link, inner = Pipe()
        try:
            self._future = pool.submit(call, address, key, *args)
        except BaseException:
            for end in (server, self.link, inner):
                end.close()
            raise
        threading.Thread(
            target=_pass_on,
            args=(inner, server, key, self._future, pool.settle),
            name="paceline-pool-call",
            daemon=True,
        ).start()
        self._future.add_done_callback(lambda _: _wake(address))

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the call ended, or None while it runs or waits or if it has ended well."""
        if not wait([self._future], seconds).done:
            return None
        if self._future.cancelled():
            return "its process in the pool has ended, or its call was cancelled"
        error = self._future.exception()
        if error is None:
            return None
        if isinstance(error, CannotConnect):
            return f"its process in the pool has ended or cannot reach the study: {error}"
        return f"its call in the pool has ended with {type(error).__name__}: {error}"

    @property
    def loss(self) -> Loss:
        """Whether the whole pool has ended, or this call alone."""
        if not self._future.done() or self._future.cancelled():
            return "worker"
        return "pool" if isinstance(self._future.exception(), BrokenExecutor) else "worker"

    def close(self) -> None:
        """Cancels the call, or closes its connection, which ends it."""
        shut(self.link)
        self._future.cancel()


class PoolWorker(PoolCall):
    """A call of a function objective in a pool."""

    name: str | None = None
    start_advice = ADVICE
    serves_once = True
    memory = 0

    def __init__(self, pool: "RenewablePool", load: Load, metric: str) -> None:
        """Submits the call.

        Raises:
            InvalidInput: the pool accepts no calls.
        """
        super().__init__(pool, serve_call, load, metric)


class RenewablePool:
    """A `concurrent.futures.Executor`, replaced by an equal one when it breaks.

    Attributes:
        host: the address of this machine that the pool's processes can reach.
    """

    def __init__(self, executor: Executor) -> None:
        """Submits nothing yet."""
        self._executor, self._given = executor, executor
        self._futures: set[Future[None]] = set()
        self.host = host_of(executor)

    def submit(self, call: Callable[..., None], *args: Any) -> "Future[None]":
        """Submits a call.

        Raises:
            InvalidInput: the pool was shut down, or it is broken and cannot be made again.
        """
        try:
            future = self._executor.submit(call, *args)
        except BrokenExecutor as error:
            self._executor = renewed(self._executor, error)
            future = self._executor.submit(call, *args)
        except RuntimeError as error:
            raise InvalidInput(
                f"executor is a {name_of_pool(self._executor)} that accepts no calls ({error})",
                expected="one that was not shut down",
                fix="Call tune inside its with block.",
            ) from error
        self._futures = {one for one in self._futures if not one.done()} | {future}
        return future

    def settle(self, future: "Future[None]") -> None:
        """Waits until it is known why a call ended whose connection was closed.

        Dask calls it again on another worker, when there is one: that is not waited for, since the
        study itself decides whether it is called again.
        """
        if repeats_lost_calls(self._executor):
            future.cancel()
            return
        # until Python 3.13 at least, a ProcessPoolExecutor notices the end of a process that it
        # started last only at the next call or result
        with suppress(Exception):  # the pool is broken, or was shut down
            self._executor.submit(int)
        wait([future], _LOSS_SECONDS)

    def close(self) -> None:
        """Waits a little for calls that were interrupted; ends a pool that was made here."""
        wait(self._futures, _CLOSING_SECONDS)
        if self._executor is not self._given:
            self._executor.shutdown(wait=False)


def _pass_on(
    inner: Connection,
    server: socket.socket,
    key: bytes,
    future: "Future[None]",
    settle: "Callable[[Future[None]], None]",
) -> None:
    """Passes messages on between the study and a call, once that has connected."""
    link = None
    with suppress(EOFError, OSError):
        early: list[bytes] = []
        while link is None:
            ready = wait_for([inner, server])
            if inner in ready:
                early.append(inner.recv_bytes())
            if server in ready:
                link = accept(server, key)
                if link is None and future.done():
                    break
        server.close()
        if link is not None:
            for message in early:
                link.send_bytes(message)
            if relay(inner, link) is link:
                settle(future)
    server.close()
    for end in (inner, link):
        if end is not None:
            shut(end)


def _wake(address: Address) -> None:
    """Ends the wait for a call that will not connect; without effect if it has."""
    with suppress(OSError):
        socket.create_connection(address, 1.0).close()
