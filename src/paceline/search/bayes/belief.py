"""What is believed about a hyperparameter before any trial; the evidence overrules it.

The acquisition is multiplied by belief^(10 / n) after n trials: Hvarfner, Stoll, Souza, Lindauer,
Hutter, Nardi, "piBO: augmenting acquisition functions with user beliefs for Bayesian optimization"
(2022), with their beta of 10.

| symbol | meaning |
| --- | --- |
| u | a value's place in [0, 1] on the hyperparameter's own scale, which is logarithmic where it is sampled so |
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
_LEAST = 1e-3  # of a weight, relative to the greatest: nothing is ruled out
_AT_END = 0.05  # of the density in the middle of a range, at its ends


@dataclass(frozen=True, slots=True)
class Normal:
    """Belief that good values lie around one.

    ``Normal(1e-3, 0.2)`` for ``Float("rate", 1e-5, 1e-1, sampling="log")``: within 0.8 decades of
    0.001, probably.

    Attributes:
        mean: the value believed to be best.
        sd: standard deviation, as a share of the hyperparameter's range on its own scale.

    Raises:
        InvalidInput: ``sd`` is not above 0.
    """

    mean: float
    sd: float = 0.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sd) and self.sd > 0):
            raise InvalidInput(
                f"sd is {self.sd}", expected="a number above 0: a share of the range, such as 0.2"
            )

    def is_about(self, h: Hyperparameter) -> bool:
        """Whether the hyperparameter can take the value."""
        return h.admits(self.mean)

    def log_density(self, h: Hyperparameter, u: Array) -> Array:
        """Of values at coordinates u, up to a constant."""
        density: Array = -0.5 * ((u - h.to_unit(h.legal(self.mean))) / self.sd) ** 2
        return density

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"mean": self.mean, "sd": self.sd}


@dataclass(frozen=True, slots=True)
class Weights:
    """Belief in some values more than in others. Those left out weigh as little as the least.

    ``Weights({"relu": 3, "gelu": 3, "tanh": 1})``

    Attributes:
        weights: pairs of a value and how likely it is believed to be the best, relative to the
            others.

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
        """Of values at coordinates u, up to a constant."""
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
        """As plain JSON types."""
        return {"weights": [list(pair) for pair in self.weights]}


Belief = Normal | Weights
Prior = tuple[tuple[str, Belief], ...]


def check_prior(prior: Mapping[str, Belief] | Prior) -> Prior:
    """A prior as the frozen pairs that a strategy holds.

    Raises:
        InvalidInput: something else than `Normal` or `Weights`.
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
    """A belief from what its ``to_json`` wrote."""
    if "weights" in state:
        return Weights(tuple((value, weight) for value, weight in state["weights"]))
    return Normal(state["mean"], state["sd"])


def log_belief(prior: Prior, space: Space, Z: Array) -> Array:
    """log density at settled coordinates [m, d], up to a constant; what is inactive or unknown is
    passed over.

    Of continuous numbers about which the prior says nothing it is believed that good values lie
    within their range.
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
    """log density of what a range itself says, summed over columns: whoever gave it means good
    values to lie within.

    Beta(2, 2). A Gaussian process knows least about the corners of a space, and would look at many
    of them first.
    """
    density = np.where(np.isnan(U), 1.0, np.maximum(4 * U * (1 - U), _AT_END))
    total: Array = np.log(density).sum(axis=1)
    return total


def weight(num_trials: int) -> float:
    """The power to which the belief is raised after some trials."""
    return _STRENGTH / max(1, num_trials)
