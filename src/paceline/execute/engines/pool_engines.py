"""Engines in the processes of a pool, which is any `concurrent.futures.Executor`."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from paceline.core import PacelineError
from paceline.execute.engines.process_engine import PipeLink, serve_engine
from paceline.execute.pool_call import Address, connect
from paceline.execute.pool_worker import ADVICE, PoolCall, RenewablePool

Share = tuple[int, int]
"""Number of an engine, and of how many that share the cores of a machine."""


class PoolEngine(PoolCall):
    """A call in a pool that is an engine until its connection is closed."""

    def __init__(self, pool: RenewablePool, name: str, share: Share | None) -> None:
        """Submits the call.

        Args:
            pool: where.
            name: of the engine.
            share: which share of its machine's cores it uses; None for all.

        Raises:
            InvalidInput: the pool accepts no calls.
        """
        self.name = name
        origin = socket.gethostname(), os.getpid()
        super().__init__(pool, serve_pool_engine, origin, share)

    def kill(self) -> None:
        """Ends the call."""
        self.close()


def serve_pool_engine(
    address: Address, key: bytes, origin: tuple[str, int], share: Share | None
) -> None:
    """What the pool runs: an engine that connects back to the study.

    Args:
        address: where the study waits for this call.
        key: proves that this is the call.
        origin: host and process of the study.
        share: see `PoolEngine`.

    Raises:
        PacelineError: it was called in the process of the study.
        CannotConnect: the study cannot be reached from here.
    """
    if (socket.gethostname(), os.getpid()) == origin:
        raise PacelineError(
            "the pool runs calls in the process of the study, and an engine needs one of its own"
        )
    if share is not None and "jax" not in sys.modules and hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        number, count = share
        os.sched_setaffinity(0, own[number::count] or [own[number % len(own)]])
    with connect(address, key) as study, suppress(OSError):  # the study has ended
        serve_engine(study)


class PoolEngines:
    """Engines in a pool, as many as it has workers; see `EngineSupply`."""

    starts_engines = True
    has_same_main = False
    advice = ADVICE

    def __init__(self, pool: RenewablePool, limit: int, shares_machine: bool) -> None:
        """Submits nothing yet.

        Args:
            pool: where; closed with this supply.
            limit: how many engines.
            shares_machine: whether all of them are on one machine.
        """
        self._pool, self._shares_machine = pool, shares_machine
        self._links: list[PipeLink | None] = [None] * limit
        self._wake: Callable[[], None] = lambda: None

    def connect(self, wake: Callable[[], None]) -> None:
        """Notes what to call when messages arrive."""
        self._wake = wake

    def take(self, held: int) -> PipeLink | None:  # noqa: ARG002 - places know whether they are free
        """Submits a call for a free place; None if there is none."""
        for number, link in enumerate(self._links):
            if link is None or link.is_closed:
                share = (number, len(self._links)) if self._shares_machine else None
                engine = PoolEngine(self._pool, f"engine {number + 1}", share)
                self._links[number] = PipeLink(engine, self._wake)
                return self._links[number]
        return None

    def close(self) -> None:
        """Ends the calls that are left."""
        self._pool.close()
