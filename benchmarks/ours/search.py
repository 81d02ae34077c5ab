"""Paceline's search over one of our spaces: the counterpart of
`benchmarks.peers.keras_tuner_search`.

Request and answer: the same, and in the answer ``epochs`` (trained, of all trials), ``programs``
(compiled from scratch: a program for a number of lanes), ``programs_compiled`` (their executables:
the steps, and the end of an epoch), ``xla_asked`` and ``xla_cached``.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.builds import SPACES
from benchmarks.ours.face import Compilations, configurations, tune


def search(request: Mapping[str, Any]) -> dict[str, Any]:
    compilations = Compilations()
    start = time.perf_counter()
    study = tune(request)
    seconds = time.perf_counter() - start
    sizes = [SPACES[request["space"]].parameters(config) for config in configurations(study)]
    return {
        "search_seconds": seconds,
        "trials": len(sizes),
        "parameters": sum(sizes) / len(sizes),
        "epochs": sum(len(trial.measurements) for trial in study.trials if trial.prefix_of is None),
        "best": study.best.score,
        "programs": sum(one.from_scratch > 0 for one in study.record.compilations),
        "programs_compiled": sum(one.from_scratch for one in study.record.compilations),
        "xla_asked": compilations.asked,
        "xla_cached": compilations.cached,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(search(json.loads(sys.argv[1]))))
