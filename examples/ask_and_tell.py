"""A study whose trials are run by hand: Paceline says what to try, and is told what came of it."""

import math
from collections.abc import Mapping
from typing import Any

import paceline

space = {
    "degrees": paceline.Float(150, 250, default=180),
    "minutes": paceline.Int(10, 60),
    "fan": paceline.Boolean(),
}


def bake(config: Mapping[str, Any]) -> float:
    """How good the bread is; in place of an oven."""
    heat = (config["degrees"] + 20 * config["fan"] - 210) / 25
    return math.exp(-(heat**2) - ((config["minutes"] - 38) / 12) ** 2)


with paceline.open_study("runs/ask_and_tell", space, "max", seed=1) as study:
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, bake(trial.config))
    for trial in study.ask(3):  # three at once, for an oven with three shelves
        study.tell(trial, bake(trial.config))
    print(study.best.config, f"{study.best.score:.3f}")

table = paceline.load_study("runs/ask_and_tell").trials_dataframe()  # any process may read it
print(table[["number", "origin", "score"]].to_string(index=False))
