"""How much memory this process holds while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY = 0.1  # seconds between two looks


class Peak:
    """The most that was seen.

    Attributes:
        num_bytes: of resident memory, what earlier work in this process still holds included.
    """

    num_bytes = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Watches this process until the block ends."""
    import psutil

    process, peak, over = psutil.Process(), Peak(), threading.Event()

    def look() -> None:
        while True:
            peak.num_bytes = max(peak.num_bytes, process.memory_info().rss)
            if over.wait(_EVERY):
                return

    thread = threading.Thread(target=look, name="paceline-memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
