"""Many readers of a live page in one process: each hears its events and fetches what changed, as a
browser does.

Request: ``url, readers``. Prints ``ready`` when all of them have heard something, and the answer
    when the server has
ended: ``bytes`` and ``fetches`` of all readers together, ``cpu_seconds`` of this process, and
``seen``, the times at which the first reader saw how many trials.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_VERSION = re.compile(rb'^data: \{"version":"([^"]+)"')


@dataclass
class Reader:
    """One browser tab; what it fetched is counted and thrown away."""

    host: str
    port: int
    notes: bool
    version: str = ""
    received: int = 0
    fetches: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[tuple[float, int]] = field(default_factory=list)

    async def read(self) -> None:
        reader, writer = await self._ask("/events", "keep-alive")
        while line := await reader.readline():
            self.received += len(line)
            if found := _VERSION.match(line):
                await self._hear(line, found[1].decode())
                if b'"last":true' in line:
                    break
        writer.close()

    async def _hear(self, line: bytes, version: str) -> None:
        self.heard.set()
        if self.notes:
            facts = dict(json.loads(line.removeprefix(b"data: "))["head"]["facts"])
            self.seen.append((time.time(), int(facts.get("trials", "0").replace(",", ""))))
        if version != self.version:
            reader, writer = await self._ask(f"/changes?after={self.version}", "close")
            self.received += len(await reader.read())
            self.fetches += 1
            self.version = version
            writer.close()

    async def _ask(
        self, path: str, connection: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=2**22)
        words = f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: {connection}\r\n\r\n"
        writer.write(words.encode())
        return reader, writer


async def read(request: Mapping[str, Any]) -> dict[str, Any]:
    place = urlsplit(request["url"])
    readers = [
        Reader(str(place.hostname), int(place.port or 80), number == 0)
        for number in range(request["readers"])
    ]
    reading = [asyncio.create_task(one.read()) for one in readers]
    await asyncio.gather(*(one.heard.wait() for one in readers))
    print("ready", flush=True)
    await asyncio.gather(*reading)
    return {
        "bytes": sum(one.received for one in readers),
        "fetches": sum(one.fetches for one in readers),
        "cpu_seconds": time.process_time(),
        "seen": readers[0].seen,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(read(json.loads(sys.argv[1])))))
