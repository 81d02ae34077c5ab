"""How long calls of a function take in worker processes, in order and out of order.

Request: ``workers, sigma, search, trials, seed``. Answer: seconds from the first call's start to
the last one's end, ``in_order`` and ``out_of_order``.
"""

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import paceline
from paceline.core.events import TrialEnded, TrialStarted
from paceline.store import StudyStore

SECONDS = 0.2  # of the median call
_SIGMA = (
    "PACELINE_BENCHMARK_SIGMA"  # workers are processes of their own: the environment reaches them
)


def nap(hp: paceline.HyperParameters) -> float:
    """Waits, as a training would take long, log-normally; the score depends on the other
    hyperparameter.
    """
    quantile, x = hp.Float("duration", 0.01, 0.99), hp.Float("x", 0.0, 1.0)
    time.sleep(SECONDS * math.exp(NormalDist(0.0, float(os.environ[_SIGMA])).inv_cdf(quantile)))
    return float((x - 0.3) ** 2)


def spent(request: Mapping[str, Any], ordered: bool, directory: Path) -> float:
    """Seconds between the first start and the last end."""
    os.environ[_SIGMA] = str(request["sigma"])
    from benchmarks.ours.ordered import (
        nap as importable,
    )  # workers cannot import what __main__ defines

    paceline.tune(
        importable,
        objective="min",
        trials=request["trials"],
        search=request["search"],
        seed=request["seed"],
        workers=request["workers"],
        ordered=ordered,
        study=directory,
        display=False,
    )
    store = StudyStore(directory, writable=False)
    events = list(store.events())
    store.close()
    first = min(one.time for one in events if isinstance(one.event, TrialStarted))
    return max(one.time for one in events if isinstance(one.event, TrialEnded)) - first


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="ordered-") as folder:
        found = {
            name: spent(asked, name == "in_order", Path(folder) / name)
            for name in ("in_order", "out_of_order")
        }
        print("\n" + json.dumps(found))
