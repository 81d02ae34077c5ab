"""KerasTuner's interface on Paceline's engine: a script runs with one changed import.

    import paceline.compat.keras_tuner as kt

    tuner = kt.RandomSearch(build, objective="val_accuracy", max_trials=20, directory="runs")
    tuner.search(x, y, epochs=10, validation_split=0.2)
    tuner.get_best_models()[0], tuner.get_best_hyperparameters()[0].values, tuner.study.report()

Without a changed import: ``paceline run script.py``. What is the same and what differs:
docs/keras_tuner.md.
"""

from paceline.compat.keras_tuner import applications, engine, errors, oracles, tuners
from paceline.compat.keras_tuner.engine.backend import say_backend
from paceline.compat.keras_tuner.engine.base_tuner import BaseTuner
from paceline.compat.keras_tuner.engine.hypermodel import HyperModel
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameter, HyperParameters
from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.oracle import Oracle, synchronized
from paceline.compat.keras_tuner.engine.trial import Trial
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.compat.keras_tuner.tuners import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    RandomSearch,
    SklearnTuner,
)

__version__ = "1.4.8"
"""The version of KerasTuner whose interface this is."""

__all__ = [
    "BaseTuner",
    "BayesianOptimization",
    "GridSearch",
    "HyperModel",
    "HyperParameter",
    "HyperParameters",
    "Hyperband",
    "Objective",
    "Oracle",
    "RandomSearch",
    "SklearnTuner",
    "Trial",
    "Tuner",
    "applications",
    "engine",
    "errors",
    "oracles",
    "synchronized",
    "tuners",
]

say_backend()
