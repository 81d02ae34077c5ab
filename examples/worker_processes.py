"""Tunes a function in two processes: a trial that crashes or takes too long harms no other."""

import time
from typing import Any

import paceline


def objective(hp: Any) -> float:
    x, y = hp.Float("x", -2, 2), hp.Float("y", -2, 2)
    if x > 1.9:
        raise RuntimeError("this happens to real functions, too")  # recorded as a failed trial
    time.sleep(0.01)
    return float((1 - x) ** 2 + 10 * (y - x**2) ** 2)


if __name__ == "__main__":  # the worker processes import this file
    study = paceline.optimize(
        objective,
        "min",
        trials=20,
        workers=2,
        time_limit="30s",
        seed=1,
        study="runs/worker_processes",
    )
    print(study.best.config, study.best.score)
    print(study.trials_dataframe()["state"].value_counts())
