"""One look at the store for all readers of the page.

While nobody reads, nothing is looked at. While somebody does, one task looks every second whether
the store has something new. The small head goes to every reader at once, as the same bytes. The
panels are drawn less often: so that they cost at most a hundredth of one processor, whatever the
size of the study.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from paceline.core import PacelineError
from paceline.core.texts import printable
from paceline.web.content import content
from paceline.web.feed import Feed
from paceline.web.head import head
from paceline.web.parts import Parts, as_texts

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""Between two looks at the store."""
SHARE = 0.01
"""Of one processor, what drawing the panels may take while the study runs."""
HEARTBEAT_SECONDS = 15.0
"""After so long without news a reader is sent an empty line, which finds out those who left."""
GRACE_SECONDS = 3.0
"""How long readers have, when the server ends, to fetch the last state."""


class Hub:
    """Between a study's store and any number of readers."""

    def __init__(self, directory: Path) -> None:
        """Reads nothing until there is a reader."""
        self.parts = Parts()
        # Panels of a large study take a while to draw, and the head is not to wait for them: two
        # threads, each of which reads for itself.
        self._looking, self._drawing = _Reading(directory), _Reading(directory)
        self._head = head(self._looking.feed)
        self._readers, self._ending, self._ended = 0, False, False
        self._wake, self._stale, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._news, self._gone = asyncio.Event(), asyncio.Event()
        self._publish()

    async def run(self) -> None:
        """Keeps the readers informed until `end`; then tells them the last state, and waits until
        they have it.
        """
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(self._draw_again_and_again())
            while not self._ending:
                self._wake.clear()
                if self._readers:
                    await self._look()
                await _within(LOOK_SECONDS if self._readers else None, self._wake)
            drawing.cancel()
        if self._readers:
            await self._look()
            await self._draw()
            self._publish(last=True)
            await _within(GRACE_SECONDS, self._gone)
        self._ended = True
        self._news.set()
        await self._looking.close()
        await self._drawing.close()

    def end(self) -> None:
        """Lets `run` come to its end."""
        self._ending = True
        self._wake.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """What one reader is sent: a server-sent event after each look that found something.

        Its data are ``version`` (of `parts`), ``head`` and ``last``, whether the server ends with
        it.
        """
        self._readers += 1
        self._gone.clear()
        self._wake.set()
        try:
            news = self._news
            yield b"retry: 1000\n\n" + self._message
            while not self._ended:
                has_news = await _within(HEARTBEAT_SECONDS, news)
                if self._ended:
                    return
                news = (
                    self._news if has_news else news
                )  # before it is sent: what comes meanwhile is not to be missed
                yield self._message if has_news else b":\n\n"
        finally:
            self._readers -= 1
            if not self._readers:
                self._gone.set()

    async def _look(self) -> None:
        """Takes what is new from the store into the head."""
        before = self._head
        try:
            if await self._looking.do(Feed.look):
                self._head = await self._looking.do(head)
                self._stale.set()
        except PacelineError as error:  # a later look may find it mended
            self._head = {**before, "state": "unreadable", "sentence": str(error)}
        except Exception as error:  # whatever is wrong with a study, its page goes on being served
            told = f"The study cannot be shown ({type(error).__name__}: {error})."
            self._head = {**before, "state": "unreadable", "sentence": printable(told)}
        if self._head != before:
            self._publish()
        if self._head["state"] != before["state"]:
            self._hurry.set()  # it is finished, say: nobody is to wait for that

    async def _draw_again_and_again(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            seconds = await self._draw()
            await _within(max(LOOK_SECONDS, seconds / SHARE), self._hurry)
            self._hurry.clear()

    async def _draw(self) -> float:
        """Brings the panels up to date; what that took, in seconds of a processor."""
        try:
            contents, seconds = await self._drawing.do(_drawn)
        except PacelineError:  # the head says why
            self._stale.set()  # to be tried again
            return 0.0
        except Exception as error:
            told = f"The panels cannot be drawn ({type(error).__name__}: {error})."
            self._head = {**self._head, "sentence": printable(f"{self._head['sentence']} {told}")}
            self._publish()
            return 0.0
        if self.parts.update(contents):
            self._publish()
        return seconds

    def _publish(self, last: bool = False) -> None:
        told = {"version": self.parts.version, "head": self._head, "last": last}
        self._message = (
            f"data: {json.dumps(told, allow_nan=False, separators=(',', ':'))}\n\n".encode()
        )
        news, self._news = self._news, asyncio.Event()
        news.set()


class _Reading:
    """A thread that reads a study."""

    def __init__(self, directory: Path) -> None:
        self.feed = Feed(directory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="paceline-reading")

    async def do(self, work: Callable[[Feed], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.feed)

    async def close(self) -> None:
        await self.do(Feed.close)
        self._thread.shutdown()


def _drawn(feed: Feed) -> tuple[dict[str, str], float]:
    """The panels as they are now, in JSON, and the processor's seconds that they took."""
    began = time.thread_time()
    feed.look()
    contents = as_texts(content(feed.whole()))
    return contents, time.thread_time() - began


async def _within(seconds: float | None, event: asyncio.Event) -> bool:
    """Waits for an event; whether it came in time."""
    try:
        async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may lose a cancellation
            await event.wait()
    except TimeoutError:
        return False
    return True
