"""The oracles, each also under the name that it had in earlier versions of KerasTuner."""

from paceline.compat.keras_tuner.tuners.bayesian import BayesianOptimizationOracle
from paceline.compat.keras_tuner.tuners.gridsearch import GridSearchOracle
from paceline.compat.keras_tuner.tuners.hyperband import HyperbandOracle
from paceline.compat.keras_tuner.tuners.randomsearch import RandomSearchOracle

BayesianOptimization, GridSearch = BayesianOptimizationOracle, GridSearchOracle
Hyperband, RandomSearch = HyperbandOracle, RandomSearchOracle

__all__ = [
    "BayesianOptimization",
    "BayesianOptimizationOracle",
    "GridSearch",
    "GridSearchOracle",
    "Hyperband",
    "HyperbandOracle",
    "RandomSearch",
    "RandomSearchOracle",
]
