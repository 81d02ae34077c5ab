"""The base class of hyperparameters."""

import math
import random
from collections.abc import Iterable, Mapping
from typing import Any, Self

from paceline.compat.keras_tuner.engine import conditions as conditions_module
from paceline.compat.keras_tuner.engine.conditions import Conditions


class HyperParameter:
    """A named hyperparameter.

    Those of one name and different conditions are different hyperparameters.

    Args:
        name: its name.
        default: its value where none is given.
        conditions: those under which it is active.
    """

    def __init__(self, name: str, default: Any = None, conditions: Conditions | None = None):
        self.name = name
        self._default = default
        self.conditions = list(conditions or ())

    @property
    def default(self) -> Any:
        """Its value where none is given."""
        return self._default

    @property
    def values(self) -> Iterable[Any]:
        """Its possible values; of a continuous range ten, evenly spread."""
        raise NotImplementedError

    def prob_to_value(self, prob: float) -> Any:
        """The value at a cumulative probability, from 0 to 1."""
        raise NotImplementedError

    def value_to_prob(self, value: Any) -> float:
        """The cumulative probability of a value: the middle of its share of 0 to 1."""
        raise NotImplementedError

    def random_sample(self, seed: int | None = None) -> Any:
        """A random value."""
        return self.prob_to_value(random.Random(seed).random())

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as JSON types."""
        return {
            "name": self.name,
            "default": self.default,
            "conditions": [conditions_module.serialize(one) for one in self.conditions],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `get_config`."""
        found = [conditions_module.deserialize(one) for one in config["conditions"]]
        return cls(**{**config, "conditions": found})

    def __repr__(self) -> str:
        given = {name: value for name, value in self.get_config().items() if name != "conditions"}
        return f"{type(self).__name__}({', '.join(f'{k}: {v!r}' for k, v in given.items())})"


def index_at(prob: float, count: int) -> int:
    """Which of ``count`` equal parts of 0 to 1 a probability is in."""
    return min(math.floor(prob * count), count - 1)


def middle_of(index: float, count: int) -> float:
    """The middle of a part."""
    return (index + 0.5) / count
