"""Watches a study with a callback, and ends it once a score is good enough."""

from typing import Any

import paceline
from paceline import Callback, StudyView
from paceline.core import Trial


class GoodEnough(Callback):
    """Prints each trial as it ends, and stops the study at the first score above a bound."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        print(f"trial {trial.number}: {trial.state.value}, score {trial.score}")
        if trial.score is not None and trial.score > self.bound:
            study.stop(f"trial {trial.number} is good enough")


def objective(hp: Any) -> float:
    return float(1 - (hp.Float("x", 0, 1) - 0.3) ** 2 - (hp.Float("y", 0, 1) - 0.6) ** 2)


study = paceline.optimize(
    objective,
    "max",
    trials=100,
    callbacks=[GoodEnough(0.995), "csv"],  # "csv" keeps trials.csv up to date
    seed=1,
    study="runs/callback",
)
print(len(study.trials), "trials were enough:", study.best.config)
print(sorted(path.name for path in study.directory.glob("*.csv")))
