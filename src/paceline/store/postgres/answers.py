"""Connections that are given up when their server does not answer.

A server that hangs (its process is stopped, its disk does not answer, the network drops packets)
keeps its connections, and neither libpq nor psycopg limits the time that a statement takes. Limits
of TCP do not help with a stopped process either, since its system acknowledges what it receives.
So the client counts: psycopg asks ten times a second whether it is to go on waiting.
"""

import math
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen

_T = TypeVar("_T")


class AnsweredConnection(psycopg.Connection[Any]):
    """A connection that closes itself when nothing has come from its server for a time.

    Attributes:
        patience: this time in seconds; there is no limit until it is set.
    """

    patience: float = math.inf

    def wait(self, gen: PQGen[_T], *args: Any, **keywords: Any) -> _T:
        """Carries out a statement, as psycopg does.

        Raises:
            psycopg.OperationalError: there was no answer in time.
        """
        return super().wait(self._limited(gen), *args, **keywords)

    def _limited(self, steps: PQGen[_T]) -> Generator[Any, Any, _T]:
        """The steps of a statement, each of which has to come in time.

        A step is a wait for the server; it is continued with 0 while nothing has come.
        """
        since = time.monotonic()
        try:
            awaited = next(steps)
            while True:
                has_come = yield awaited
                if has_come:
                    since = time.monotonic()
                elif time.monotonic() - since >= self.patience:
                    self.close()  # so that it counts as lost
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} s")
                awaited = steps.send(has_come)
        except StopIteration as end:
            done: _T = end.value
            return done


def limit(engine: sa.Engine, patience: float) -> None:
    """Has an engine make connections that are given up without an answer in ``patience`` seconds.

    How long making one takes is limited by libpq's ``connect_timeout``.
    """

    def connected(_: object, __: object, args: Any, keywords: Any) -> AnsweredConnection:
        connection = AnsweredConnection.connect(*args, **keywords)
        connection.patience = patience
        return connection

    sa.event.listen(engine, "do_connect", connected)
