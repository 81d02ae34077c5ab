"""How long a study takes that was given so much time.

Request: ``space, data, budget, seed``, the budget in seconds. Answer: ``seconds`` that
`paceline.tune` took from call to return, ``trials`` that ended.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.ours.face import tune


def timed(request: Mapping[str, Any]) -> dict[str, float]:
    start = time.perf_counter()
    study = tune(request)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "trials": sum(trial.state.is_final for trial in study.trials)}


if __name__ == "__main__":
    print("\n" + json.dumps(timed(json.loads(sys.argv[1]))))
