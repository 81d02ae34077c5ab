"""KerasTuner's interface on Paceline's engine: a script runs with one changed import.

    import paceline.compat.keras_tuner as kt

    tuner = kt.RandomSearch(build, objective="val_accuracy", max_trials=20, directory="runs")
    tuner.search(x, y, epochs=10, validation_split=0.2)
    tuner.get_best_models()[0], tuner.get_best_hyperparameters()[0].values, tuner.study.report()

What is the same, what differs and what is refused: docs/keras_tuner.md.
"""

from typing import Any, NoReturn

from paceline.compat.keras_tuner import engine, tuners
from paceline.compat.keras_tuner.engine.backend import say_backend
from paceline.compat.keras_tuner.engine.hypermodel import HyperModel
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.trial import Trial
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.compat.keras_tuner.tuners import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    RandomSearch,
)

__all__ = [
    "BayesianOptimization",
    "GridSearch",
    "HyperModel",
    "HyperParameters",
    "Hyperband",
    "Objective",
    "RandomSearch",
    "Trial",
    "Tuner",
    "engine",
    "tuners",
]

_MISSING = {
    "BaseTuner": "paceline.optimize tunes any function of hp that returns a score.",
    "Oracle": "Paceline's own search strategies are subclasses of paceline.search.Strategy.",
    "SklearnTuner": "paceline.optimize tunes any function of hp, such as one that fits an "
    "estimator and returns its score.",
    "applications": "paceline.tune has built-in networks: build='mlp' or 'cnn'.",
    "oracles": "Use the tuners RandomSearch, BayesianOptimization, Hyperband and GridSearch.",
    "synchronized": "Trials need no locks here.",
}


def __getattr__(name: str) -> Any:
    if name in _MISSING:
        _refuse(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _refuse(name: str) -> NoReturn:
    # an AttributeError would lose its message in "from ... import ..."
    raise ImportError(f"paceline.compat.keras_tuner has no {name} yet. {_MISSING[name]}")


say_backend()
