"""The kinds of hyperparameters, and how they are stored."""

from collections.abc import Mapping
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters.categorical import Boolean, Choice, Fixed
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import HyperParameter
from paceline.compat.keras_tuner.engine.hyperparameters.numerical import Float, Int

__all__ = ["Boolean", "Choice", "Fixed", "Float", "Int", "deserialize", "serialize"]

_KINDS: Mapping[str, type[HyperParameter]] = {
    one.__name__: one for one in (Boolean, Choice, Fixed, Float, Int)
}


def serialize(one: Any) -> dict[str, Any]:
    """A hyperparameter as JSON types."""
    return {"class_name": type(one).__name__, "config": one.get_config()}


def deserialize(config: Mapping[str, Any]) -> HyperParameter:
    """The inverse of `serialize`.

    Raises:
        KeyError: of no kind that is known here.
    """
    return _KINDS[config["class_name"]].from_config(config["config"])
