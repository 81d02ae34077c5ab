"""What Optuna costs per trial when the objective costs nothing: five parameters, SQLite storage.

Request: ``trials, sampler`` (``random`` or ``default``), ``seed``. Answer: ``milliseconds`` per
    trial.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna  # type: ignore[import-not-found, unused-ignore]


def objective(trial: optuna.Trial) -> float:
    """The five parameters of the overhead benchmark; see `benchmarks.overhead`."""
    trial.suggest_categorical("units", [32, 64, 96, 128])
    trial.suggest_int("layers", 1, 3)
    trial.suggest_float("dropout", 0.0, 0.5)
    trial.suggest_float("l2", 1e-6, 1e-2, log=True)
    return float(trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True))


def overhead(request: Mapping[str, Any], directory: str) -> float:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {"random": optuna.samplers.RandomSampler, "default": optuna.samplers.TPESampler}
    study = optuna.create_study(
        storage=f"sqlite:///{Path(directory) / 'study.db'}",
        sampler=samplers[request["sampler"]](seed=request["seed"]),
    )
    start = time.perf_counter()
    study.optimize(objective, n_trials=request["trials"])
    return 1000 * (time.perf_counter() - start) / float(request["trials"])


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="optuna-") as folder:
        print("\n" + json.dumps({"milliseconds": overhead(asked, folder)}))
