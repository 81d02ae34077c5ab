"""Model-steps per second of a whole study, its fixed costs taken out: the slope between a short and
a long one.

Both studies have the same trials and programs and differ only in how many epochs they train, so
building, tracing and compiling cancel; what an epoch costs beside its steps (evaluation, storing)
stays in and counts against us.

Request: ``space, data, trials, batch_size, epochs`` (short, long), ``seed``.
Answer: ``rate``; ``lanes`` are the engine's own choice.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.arrays import read
from benchmarks.ours.face import tune


def seconds(request: Mapping[str, Any], epochs: int) -> float:
    start = time.perf_counter()
    tune(request, epochs=epochs)
    return time.perf_counter() - start


def rate(request: Mapping[str, Any]) -> float:
    short, long = request["epochs"]
    per_epoch = -(-len(read(request["data"])["x"]) // request["batch_size"])
    seconds(request, short)  # compiles, and measures the machine where that was never done
    spent = seconds(request, long) - seconds(request, short)
    if spent <= 0:
        raise RuntimeError(f"{long} epochs took no longer than {short}: make the study larger")
    return float((long - short) * per_epoch * request["trials"] / spent)


if __name__ == "__main__":
    print("\n" + json.dumps({"rate": rate(json.loads(sys.argv[1]))}))
