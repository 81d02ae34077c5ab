"""Where to look next: strategies behind one contract. Knows only space and core.

``create("sobol", seed=0)`` makes one by name, `restore` reads one back from its JSON.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.search.base import History, Proposal, Strategy, check_seed
from paceline.search.given import Given
from paceline.search.grid import Grid
from paceline.search.random import Random
from paceline.search.sobol import Sobol

__all__ = ["STRATEGIES", "Given", "Grid", "History", "Proposal", "Random", "Sobol", "Strategy", "create", "restore"]

STRATEGIES: Mapping[str, type[Strategy]] = {kind.name: kind for kind in (Grid, Random, Sobol)}
"""The strategies that have a name."""


def create(strategy: str | Strategy, seed: int) -> Strategy:
    """A strategy by its name; one that is a strategy already is answered as it is.

    Raises:
        InvalidInput: no strategy of this name, or a seed that is no whole number of at least 0.
    """
    if isinstance(strategy, Strategy):
        return strategy
    seed = check_seed(seed)
    match _known(strategy):
        case "grid":
            return Grid()
        case "random":
            return Random(seed)
        case _:
            return Sobol(seed)


def restore(state: Mapping[str, Any]) -> Strategy:
    """The strategy that wrote this state with ``to_json``.

    Raises:
        InvalidInput: it was written by a strategy that is not known here.
    """
    if state.get("strategy") == Given.name:
        return Given.from_json(state)
    return STRATEGIES[_known(state.get("strategy"))].from_json(state)


def _known(name: object) -> str:
    cleaned = name.strip().lower() if isinstance(name, str) else ""
    if cleaned in STRATEGIES:
        return cleaned
    close = difflib.get_close_matches(cleaned, STRATEGIES, n=1)
    fix = f"Did you mean {close[0]!r}?" if close else ""
    raise InvalidInput(f"strategy is {name!r}", expected=f"one of {', '.join(map(repr, STRATEGIES))}", fix=fix)
