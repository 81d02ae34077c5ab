"""What a proposal of ours costs in a study that has many trials; beside
`benchmarks.peers.optuna_proposals`.

Request: ``search, seed, dimensions, trials, count``. Answer: ``seconds`` for ``count`` proposals at
once, in a process that had proposed before.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from paceline.core import Objective, Trial, TrialState
from paceline.search import History, create
from paceline.space import Float, Space


def proposals(request: Mapping[str, Any]) -> float:
    rng, objective = np.random.default_rng(request["seed"]), Objective("loss", "minimize")
    space = Space([Float(f"x{at}", 0.0, 1.0) for at in range(request["dimensions"])])
    trials = []
    for number in range(request["trials"]):
        config = space.sample(rng)
        score = (
            sum((float(value) - 0.3) ** 2 for value in config.values())
            + 0.01 * rng.standard_normal()
        )
        trials.append(Trial(number, config, number, 1, TrialState.COMPLETED, score=float(score)))
    seen = {space.key(trial.config) for trial in trials}
    # As a study begins: with points that no model proposed; then with the first that the model did
    strategy, _ = create(request["search"], request["seed"]).ask(space, History(seen), 8)
    strategy, _ = strategy.ask(space, History(seen, trials[:-1], objective), 1)
    start = time.perf_counter()
    strategy.ask(space, History(seen, trials, objective), request["count"])
    return time.perf_counter() - start


if __name__ == "__main__":
    print("\n" + json.dumps({"seconds": proposals(json.loads(sys.argv[1]))}))
