"""Distribution of a study's state to all readers of the page.

Without readers, nothing is read. With readers, one task checks the store every second. The small
head is sent to all readers at once, as the same bytes. The panels are drawn less often, so that
they use at most a hundredth of one processor, whatever the size of the study.
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
from paceline.web.head import head
from paceline.web.study_reader import StudyReader
from paceline.web.versioned_parts import VersionedParts, as_texts

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""Seconds between two checks of the store."""
SHARE = 0.01
"""Fraction of one processor that drawing the panels may use while the study runs."""
HEARTBEAT_SECONDS = 15.0
"""Seconds without news after which a reader is sent an empty line, to detect closed connections."""
GRACE_SECONDS = 3.0
"""Seconds for readers to fetch the last state when the server ends."""


class Hub:
    """Connects a study's store to any number of readers."""

    def __init__(self, directory: Path) -> None:
        """Reads nothing until there is a reader."""
        self.parts = VersionedParts()
        # Drawing the panels of a large study takes a while and must not delay the head: two
        # threads, each with a reader of its own.
        self._looking, self._drawing = _ReaderThread(directory), _ReaderThread(directory)
        self._head = head(self._looking.reader)
        self._readers, self._ending, self._ended = 0, False, False
        self._wake, self._stale, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._news, self._gone = asyncio.Event(), asyncio.Event()
        self._publish()

    async def run(self) -> None:
        """Updates the readers until `end`; then sends the last state and waits for its delivery."""
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(self._keep_drawing())
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
        """Makes `run` return."""
        self._ending = True
        self._wake.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Server-sent events for one reader: one after each check that found something.

        The data are ``version`` (of `parts`), ``head`` and ``last``, whether the server is ending.
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
                # before sending: events that arrive meanwhile must not be missed
                news = self._news if has_news else news
                yield self._message if has_news else b":\n\n"
        finally:
            self._readers -= 1
            if not self._readers:
                self._gone.set()

    async def _look(self) -> None:
        """Updates the head from the store."""
        before = self._head
        try:
            if await self._looking.do(StudyReader.look):
                self._head = await self._looking.do(head)
                self._stale.set()
        except PacelineError as error:  # a later check may succeed
            self._head = {**before, "state": "unreadable", "sentence": str(error)}
        except Exception as error:  # the page is served whatever is wrong with the study
            message = f"The study cannot be shown ({type(error).__name__}: {error})."
            self._head = {**before, "state": "unreadable", "sentence": printable(message)}
        if self._head != before:
            self._publish()
        if self._head["state"] != before["state"]:
            self._hurry.set()  # for instance it has finished: readers should not wait for that

    async def _keep_drawing(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            seconds = await self._draw()
            await _within(max(LOOK_SECONDS, seconds / SHARE), self._hurry)
            self._hurry.clear()

    async def _draw(self) -> float:
        """Draws the panels; returns the seconds of processor time."""
        try:
            contents, seconds = await self._drawing.do(_drawn)
        except PacelineError:  # the head shows the reason
            self._stale.set()  # try again
            return 0.0
        except Exception as error:
            message = f"The panels cannot be drawn ({type(error).__name__}: {error})."
            self._head = {
                **self._head,
                "sentence": printable(f"{self._head['sentence']} {message}"),
            }
            self._publish()
            return 0.0
        if self.parts.update(contents):
            self._publish()
        return seconds

    def _publish(self, last: bool = False) -> None:
        message = {"version": self.parts.version, "head": self._head, "last": last}
        self._message = (
            f"data: {json.dumps(message, allow_nan=False, separators=(',', ':'))}\n\n".encode()
        )
        news, self._news = self._news, asyncio.Event()
        news.set()


class _ReaderThread:
    """A thread that reads a study."""

    def __init__(self, directory: Path) -> None:
        self.reader = StudyReader(directory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="paceline-reading")

    async def do(self, work: Callable[[StudyReader], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.reader)

    async def close(self) -> None:
        await self.do(StudyReader.close)
        self._thread.shutdown()


def _drawn(reader: StudyReader) -> tuple[dict[str, str], float]:
    """The current panels as JSON, and the processor time for drawing them."""
    began = time.thread_time()
    reader.look()
    contents = as_texts(content(reader.whole()))
    return contents, time.thread_time() - began


async def _within(seconds: float | None, event: asyncio.Event) -> bool:
    """Waits for an event; returns whether it came in time."""
    try:
        async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may lose a cancellation
            await event.wait()
    except TimeoutError:
        return False
    return True
