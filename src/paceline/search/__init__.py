"""Where to look next: strategies behind one contract. Knows only space and core.

``create("sobol", seed=0)`` makes one by name, `restore` reads one back from its JSON; `register`
makes others known.
"""

from collections.abc import Mapping

from paceline.core import known_name
from paceline.search.base import (
    History,
    Proposal,
    Strategy,
    base_state,
    check_seed,
    register,
    restore,
)
from paceline.search.bayes import Bayes, Normal, Weights, promising
from paceline.search.cmaes import CMAES
from paceline.search.given import Given
from paceline.search.grid import Grid
from paceline.search.optuna_sampler import OptunaSampler, optuna
from paceline.search.random import Random
from paceline.search.sobol import Sobol
from paceline.search.start_with import StartWith

__all__ = [
    "CMAES",
    "STRATEGIES",
    "Bayes",
    "Given",
    "Grid",
    "History",
    "Normal",
    "OptunaSampler",
    "Proposal",
    "Random",
    "Sobol",
    "StartWith",
    "Strategy",
    "Weights",
    "base_state",
    "create",
    "optuna",
    "promising",
    "register",
    "restore",
]

STRATEGIES: Mapping[str, type[Strategy]] = {
    "auto": Bayes,
    **{kind.name: kind for kind in (Bayes, CMAES, Grid, Random, Sobol)},
}
"""The strategies that have a name; ``"auto"`` is what Paceline takes unless told otherwise."""


def create(strategy: str | Strategy, seed: int) -> Strategy:
    """A strategy by its name; one that is a strategy already is answered as it is.

    Raises:
        InvalidInput: no strategy of this name, or a seed that is no whole number of at least 0.
    """
    if isinstance(strategy, Strategy):
        return strategy
    seed = check_seed(seed)
    match known_name("search", strategy, STRATEGIES):
        case "auto" | "bayes":
            return Bayes(seed)
        case "cmaes":
            return CMAES(seed)
        case "grid":
            return Grid()
        case "random":
            return Random(seed)
        case _:
            return Sobol(seed)
