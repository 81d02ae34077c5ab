"""Peak memory of this process during a block."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY = 0.1  # seconds between two measurements


class Peak:
    """The largest value measured.

    Attributes:
        num_bytes: of resident memory, including what earlier work in this process still holds.
    """

    num_bytes = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Measures this process until the block ends."""
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
