"""Where to look next: strategies behind one contract. Knows only space and core.

``create("sobol", seed=0)`` makes one by name, `restore` reads one back from its JSON; `register`
makes others known.
"""

from paceline.search.base import (
    History,
    Proposal,
    Strategy,
    base_state,
    create,
    register,
    restore,
    strategy_names,
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
    "strategy_names",
]
