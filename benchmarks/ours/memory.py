"""Resident memory of a process after the first trials of a study and after all of them.

The study is brought to ``first`` trials and then, in the same process and directory, to ``trials``
and to twice as many; memory is also sampled all the while, since a peak in between would fill the
machine just as well.

Request: ``space, data, first, trials, epochs, batch_size, seed, study``.
Answer: ``after_first, after_all, after_twice, peak_first, peak_all`` in bytes.
"""

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any

import psutil

from benchmarks.ours.face import tune


class Sampler(threading.Thread):
    """Keeps the highest resident memory seen."""

    def __init__(self, interval_seconds: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.interval_seconds, self.peak, self.process = interval_seconds, 0, psutil.Process()
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(self.interval_seconds):
            self.peak = max(self.peak, self.now())

    def now(self) -> int:
        return int(self.process.memory_info().rss)


def watch(request: Mapping[str, Any]) -> dict[str, int]:
    sampler = Sampler()
    sampler.start()
    tune(request, trials=request["first"])
    after_first, peak_first = sampler.now(), sampler.peak
    tune(request, trials=request["trials"])
    after_all, peak_all = sampler.now(), sampler.peak
    tune(request, trials=2 * request["trials"])
    after_twice = sampler.now()
    sampler.stopped.set()
    after = {"after_first": after_first, "after_all": after_all, "after_twice": after_twice}
    return {**after, "peak_first": peak_first, "peak_all": peak_all}


if __name__ == "__main__":
    print("\n" + json.dumps(watch(json.loads(sys.argv[1]))))
