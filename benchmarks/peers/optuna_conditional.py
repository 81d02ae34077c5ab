"""Optuna's samplers on the conditional space of `benchmarks.branches`.

Request: ``search, seeds, trials``. Answer: ``runs``, for each seed the best loss after each trial.
"""

import itertools
import json
import sys
from typing import Any

import optuna  # type: ignore[import-not-found, unused-ignore]

from benchmarks.branches import Parameter, draw, loss

SAMPLERS = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "random": optuna.samplers.RandomSampler,
}


def objective(trial: optuna.Trial) -> float:
    def suggest(parameter: Parameter) -> Any:
        if parameter.choices:
            return trial.suggest_categorical(parameter.name, parameter.choices)
        return trial.suggest_float(
            parameter.name, 1e-5 if parameter.is_log else 0.0, 1.0, log=parameter.is_log
        )

    return loss(draw(suggest))


def run(search: str, seed: int, trials: int) -> list[float]:
    study = optuna.create_study(sampler=SAMPLERS[search](seed=seed))
    study.optimize(objective, n_trials=trials)
    return list(
        itertools.accumulate(
            (trial.value for trial in study.trials if trial.value is not None), min
        )
    )


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    wanted = json.loads(sys.argv[1])
    print(
        "\n"
        + json.dumps(
            {"runs": [run(wanted["search"], seed, wanted["trials"]) for seed in wanted["seeds"]]}
        )
    )
