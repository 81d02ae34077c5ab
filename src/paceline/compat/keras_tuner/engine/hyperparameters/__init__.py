"""Hyperparameters, with KerasTuner's rules for definitions and values."""

from paceline.compat.keras_tuner.engine.hyperparameters.categorical import Boolean, Choice, Fixed
from paceline.compat.keras_tuner.engine.hyperparameters.container import (
    HyperParameters,
    deserialize,
    serialize,
)
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import HyperParameter
from paceline.compat.keras_tuner.engine.hyperparameters.numerical import Float, Int

__all__ = [
    "Boolean",
    "Choice",
    "Fixed",
    "Float",
    "HyperParameter",
    "HyperParameters",
    "Int",
    "deserialize",
    "serialize",
]
