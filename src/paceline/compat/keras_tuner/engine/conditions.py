"""The conditions under which a hyperparameter is active."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paceline.core import shown


class Condition:
    """A condition on the values of other hyperparameters."""

    name: str
    values: list[Any]

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition holds for these values."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Condition":
        """The inverse of `get_config`."""
        return cls(**config)


class Parent(Condition):
    """Holds if another hyperparameter has one of some values.

    Args:
        name: of the other hyperparameter.
        values: a value or a list of values of one type.

    Raises:
        TypeError: values that are not whole numbers, floats, strings or booleans.
    """

    def __init__(self, name: str, values: Any) -> None:
        self.name = name
        self.values = [plain(value) for value in listed(values)]
        if not all(isinstance(value, bool | int | float | str) for value in self.values):
            raise TypeError(
                f"The values of a condition are {shown(values)}. Can contain only int, float, str "
                "or bool."
            )

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether the parent has one of the values."""
        return self.name in values and values[self.name] in self.values

    def get_config(self) -> dict[str, Any]:
        """Name and values."""
        return {"name": self.name, "values": self.values}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parent) and other.name == self.name and other.values == self.values

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Parent(name={self.name!r}, values={self.values})"


def plain(value: Any) -> Any:
    """A NumPy scalar as a Python object; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def listed(values: Any) -> list[Any]:
    """A list, tuple, set or array as a list; anything else as a list of itself."""
    if isinstance(values, list | tuple | set | frozenset | range | np.ndarray):
        return list(values)
    return [values]


def serialize(condition: Condition) -> dict[str, Any]:
    """A condition as JSON types."""
    return {"class_name": type(condition).__name__, "config": condition.get_config()}


def deserialize(config: Mapping[str, Any]) -> Condition:
    """The inverse of `serialize`.

    Raises:
        ValueError: no condition.
    """
    if config.get("class_name") != "Parent":
        raise ValueError(f"{shown(config)} is not a condition that is known here.")
    return Parent(**config["config"])


Conditions = Sequence[Condition]
