"""Prior beliefs about good values of hyperparameters; observations outweigh them.

The acquisition is multiplied by belief^(10 / n) after n trials: Hvarfner, Stoll, Souza, Lindauer,
Hutter, Nardi, "piBO: augmenting acquisition functions with user beliefs for Bayesian optimization"
(2022), with their beta of 10.

| symbol | meaning |
| --- | --- |
| u | a value's coordinate in [0, 1] on the hyperparameter's own (linear or log) scale |
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paceline.core import InvalidInput, Value
from paceline.search.bayes.coordinates import Array
from paceline.space import Hyperparameter, Space
from paceline.space.hyperparameter import typed

_STRENGTH = 10.0
_LEAST = 1e-3  # minimum of a weight, relative to the largest: nothing is excluded
_AT_END = 0.05  # of the density in the middle of a range, at its ends


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal prior around a value.

    ``Normal(1e-3, 0.2)`` for ``Float("rate", 1e-5, 1e-1, sampling="log")``: one standard deviation
    is 0.8 decades.

    Attributes:
        mean: the value expected to be best.
        sd: standard deviation, as a fraction of the hyperparameter's range on its own scale.

    Raises:
        InvalidInput: ``sd`` is not above 0.
    """

    mean: float
    sd: float = 0.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sd) and self.sd > 0):
            raise InvalidInput(
                f"sd is {self.sd}",
                expected="a number above 0: a fraction of the range, such as 0.2",
            )

    def is_about(self, h: Hyperparameter) -> bool:
        """Whether the hyperparameter can take the value."""
        return h.admits(self.mean)

    def log_density(self, h: Hyperparameter, u: Array) -> Array:
        """log density at coordinates u, up to a constant."""
        density: Array = -0.5 * ((u - h.to_unit(h.legal(self.mean))) / self.sd) ** 2
        return density

    def to_json(self) -> dict[str, Any]:
        """The prior as JSON types."""
        return {"mean": self.mean, "sd": self.sd}


@dataclass(frozen=True, slots=True)
class Weights:
    """A categorical prior; missing values weigh as much as the smallest weight.

    ``Weights({"relu": 3, "gelu": 3, "tanh": 1})``

    Attributes:
        weights: pairs of a value and its relative probability of being the best.

    Raises:
        InvalidInput: a weight below 0 or not finite, or none above 0.
    """

    weights: tuple[tuple[Value, float], ...]

    def __init__(self, weights: Mapping[Value, float] | tuple[tuple[Value, float], ...]) -> None:
        pairs = (
            tuple(weights.items())
            if isinstance(weights, Mapping)
            else tuple((v, w) for v, w in weights)
        )
        if not all(math.isfinite(w) and w >= 0 for _, w in pairs) or not any(
            w > 0 for _, w in pairs
        ):
            raise InvalidInput(
                f"weights are {dict(pairs)}", expected="numbers of at least 0, and one above 0"
            )
        object.__setattr__(self, "weights", pairs)

    def is_about(self, h: Hyperparameter) -> bool:
        """Whether the hyperparameter can take all of the values."""
        return all(h.admits(value) for value, _ in self.weights)

    def log_density(self, h: Hyperparameter, u: Array) -> Array:
        """log density at coordinates u, up to a constant."""
        given = {typed(h.legal(value)): weight for value, weight in self.weights}
        most, rest = max(given.values()), min(given.values())
        values = np.unique(u)
        density = [
            math.log(max(given.get(typed(h.from_unit(at)), rest) / most, _LEAST))
            for at in values.tolist()
        ]
        found: Array = np.array(density)[np.searchsorted(values, u)]
        return found

    def to_json(self) -> dict[str, Any]:
        """The prior as JSON types."""
        return {"weights": [list(pair) for pair in self.weights]}


Belief = Normal | Weights
Prior = tuple[tuple[str, Belief], ...]


def check_prior(prior: Mapping[str, Belief] | Prior) -> Prior:
    """Validates a prior and returns it as frozen pairs.

    Raises:
        InvalidInput: not `Normal` or `Weights`.
    """
    pairs = tuple(prior.items()) if isinstance(prior, Mapping) else tuple(prior)
    for name, belief in pairs:
        if not isinstance(belief, Normal | Weights):
            fix = "For example prior={'learning_rate': Normal(1e-3)}."
            raise InvalidInput(
                f"prior of {name!r} is {belief!r}",
                expected="Normal(mean, sd) or Weights({...})",
                fix=fix,
            )
    return pairs


def from_json(state: Mapping[str, Any]) -> Belief:
    """The inverse of ``to_json``."""
    if "weights" in state:
        return Weights(tuple((value, weight) for value, weight in state["weights"]))
    return Normal(state["mean"], state["sd"])


def log_belief(prior: Prior, space: Space, Z: Array) -> Array:
    """log density at settled coordinates [m, d], up to a constant; inactive values are ignored.

    For continuous hyperparameters without prior, values inside the range are preferred to its ends.
    """
    given = {name for name, _ in prior}
    total = _log_within(
        Z[:, [at for at, h in enumerate(space) if h.num_values is None and h.name not in given]]
    )
    for name, belief in prior:
        for at, h in enumerate(space):
            if h.name == name and belief.is_about(h):
                here = ~np.isnan(Z[:, at])
                total[here] += belief.log_density(h, Z[here, at])
    return total


def _log_within(U: Array) -> Array:
    """log density of the default prior of ranges, summed over columns: values inside are likelier.

    Beta(2, 2). A Gaussian process is most uncertain about the corners of a space, and would try
    many of them first.
    """
    density = np.where(np.isnan(U), 1.0, np.maximum(4 * U * (1 - U), _AT_END))
    total: Array = np.log(density).sum(axis=1)
    return total


def weight(num_trials: int) -> float:
    """The exponent of the prior after some trials."""
    return _STRENGTH / max(1, num_trials)
