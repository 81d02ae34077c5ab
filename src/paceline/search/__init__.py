"""Search strategies: what to try next. Uses only `paceline.space` and `paceline.core`.

``create("sobol", seed=0)`` makes a strategy from its name, `restore` from its JSON; `register` adds
a class.
"""

from paceline.search.bayes import Bayes, Normal, Weights, promising
from paceline.search.cmaes import CMAES
from paceline.search.given import Given
from paceline.search.grid import Grid
from paceline.search.optuna_sampler import OptunaSampler, optuna
from paceline.search.random_search import Random
from paceline.search.sobol import Sobol
from paceline.search.start_with import StartWith
from paceline.search.strategy import (
    History,
    Proposal,
    ProposalList,
    Strategy,
    base_state,
    check_seed,
    create,
    register,
    restore,
    strategy_names,
    stream,
)

__all__ = [
    "CMAES",
    "Bayes",
    "Given",
    "Grid",
    "History",
    "Normal",
    "OptunaSampler",
    "Proposal",
    "ProposalList",
    "Random",
    "Sobol",
    "StartWith",
    "Strategy",
    "Weights",
    "base_state",
    "check_seed",
    "create",
    "optuna",
    "promising",
    "register",
    "restore",
    "strategy_names",
    "stream",
]
