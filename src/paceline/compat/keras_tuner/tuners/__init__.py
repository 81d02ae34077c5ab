"""The tuners."""

from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.compat.keras_tuner.tuners.bayesian import BayesianOptimization
from paceline.compat.keras_tuner.tuners.gridsearch import GridSearch
from paceline.compat.keras_tuner.tuners.hyperband import Hyperband
from paceline.compat.keras_tuner.tuners.randomsearch import RandomSearch
from paceline.compat.keras_tuner.tuners.sklearn_tuner import SklearnTuner

Sklearn = SklearnTuner  # its name in earlier versions of KerasTuner

__all__ = [
    "BayesianOptimization",
    "GridSearch",
    "Hyperband",
    "RandomSearch",
    "Sklearn",
    "SklearnTuner",
    "Tuner",
]
