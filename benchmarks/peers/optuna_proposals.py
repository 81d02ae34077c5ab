"""What a proposal of Optuna costs in a study in memory that has many trials.

Request: ``search`` (``tpe`` or ``gp``), ``seed, dimensions, trials, count``. Answer: ``seconds``
for ``count`` proposals in turn, none of which has ended, in a process that had proposed before.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna  # type: ignore[import-not-found, unused-ignore]

SAMPLERS = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}


def proposals(request: Mapping[str, Any]) -> float:
    rng, study = (
        np.random.default_rng(request["seed"]),
        optuna.create_study(sampler=SAMPLERS[request["search"]](seed=0)),
    )
    space: dict[str, optuna.distributions.BaseDistribution]
    space = {
        f"x{at}": optuna.distributions.FloatDistribution(0.0, 1.0)
        for at in range(request["dimensions"])
    }
    for _ in range(request["trials"] - 1):
        config = {name: float(rng.random()) for name in space}
        loss = sum((value - 0.3) ** 2 for value in config.values()) + 0.01 * float(
            rng.standard_normal()
        )
        study.add_trial(optuna.trial.create_trial(params=config, distributions=space, value=loss))
    study.tell(study.ask(space), 1.0)
    start = time.perf_counter()
    for _ in range(request["count"]):
        study.ask(space)
    return time.perf_counter() - start


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("\n" + json.dumps({"seconds": proposals(json.loads(sys.argv[1]))}))
