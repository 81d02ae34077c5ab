"""One look at the store for all readers of the page.

While nobody reads, nothing is looked at. While somebody does, one task looks every second whether the store has
something new. The small head goes to every reader at once, as the same bytes. The panels are drawn less often: so that
they cost at most a fiftieth of one processor, whatever the size of the study.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from paceline.core import PacelineError
from paceline.web.content import content
from paceline.web.feed import Feed
from paceline.web.head import head
from paceline.web.parts import Parts

LOOK_SECONDS = 1.0
"""Between two looks at the store."""
SHARE = 0.02
"""Of one processor, what drawing the panels may take while the study runs."""
HEARTBEAT_SECONDS = 15.0
"""After so long without news a reader is sent an empty line, which finds out those who left."""
GRACE_SECONDS = 3.0
"""How long readers have, when the server ends, to fetch the last state."""


class Hub:
    """Between a study's store and any number of readers."""

    def __init__(self, directory: Path) -> None:
        """Reads nothing until there is a reader."""
        self._feed, self.parts = Feed(directory), Parts()
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="paceline-watch")
        self._readers = 0
        self._wake, self._news, self._gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._message = b""
        self._head = head(self._feed)
        self._ending = False
        self._stale, self._rest_until = True, 0.0

    async def run(self) -> None:
        """Looks at the store until `end`; then once more, and waits until the readers have it."""
        while not self._ending:
            self._wake.clear()
            if self._readers:
                await self._look()
            pause = LOOK_SECONDS if self._readers else None
            await _within(pause, self._wake)
        if self._readers:
            await self._look(last=True)
            await _within(GRACE_SECONDS, self._gone)
        await self._in_thread(self._feed.close)
        self._reading.shutdown()

    def end(self) -> None:
        """Lets `run` come to its end."""
        self._ending = True
        self._wake.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """What one reader is sent: a server-sent event after each look that found something.

        Its data are ``version`` (of `parts`), ``head`` and ``last``, whether the server ends with it.
        """
        self._readers += 1
        self._gone.clear()
        self._wake.set()
        try:
            yield b"retry: 1000\n\n" + self._message
            while True:
                news = self._news
                if await _within(HEARTBEAT_SECONDS, news):
                    yield self._message
                else:
                    yield b":\n\n"
        finally:
            self._readers -= 1
            if not self._readers:
                self._gone.set()

    async def _look(self, last: bool = False) -> None:
        try:
            news = await self._in_thread(self._read, last)
        except PacelineError as error:  # the file was damaged; a later look may find it mended
            self._head = {**self._head, "state": "unreadable", "sentence": str(error)}
            news = True
        if news or last:
            self._publish(last)

    def _publish(self, last: bool) -> None:
        told = {"version": self.parts.version, "head": self._head, "last": last}
        data = f"data: {json.dumps(told, allow_nan=False, separators=(',', ':'))}\n\n".encode()
        if data == self._message:
            return
        self._message = data
        told_now, self._news = self._news, asyncio.Event()
        told_now.set()

    def _read(self, last: bool) -> bool:
        """Takes what is new from the store, and draws the panels when it is time."""
        news, state = self._feed.look(), self._head["state"]
        if news:
            self._head = head(self._feed)
        self._stale = self._stale or news
        turned = self._head["state"] != state  # finished, say: nobody is to wait for that
        if self._stale and (turned or last or time.monotonic() >= self._rest_until):
            began = time.thread_time()
            self.parts.update(content(self._feed.whole()))
            self._stale = False
            self._rest_until = time.monotonic() + (time.thread_time() - began) / SHARE
            return True
        return news

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work, *arguments)


async def _within(seconds: float | None, event: asyncio.Event) -> bool:
    """Waits for an event; whether it came in time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
