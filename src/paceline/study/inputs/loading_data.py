"""A study's data as they are loaded, before they are divided."""

from collections.abc import Mapping
from typing import Any

from paceline.core.events import Json
from paceline.data import Dataset, Stream, load
from paceline.data.records import RULE

_OF_SPLIT = ("standardize", "scale_target")  # data options that `load` does not have


def rule_of(recorded: Mapping[str, Json] | None) -> int:
    """The rule by which a study's data are prepared, by what it recorded of them; None where it is
    to begin.
    """
    if recorded is None:
        return RULE
    kept = recorded.get("preparation")
    return 1 if kept is None else int(kept["rule"])


def load_data(data: Any, options: Mapping[str, Any], seed: int, rule: int) -> Dataset | Stream:
    """The data set, with the data options that a user passed. Raises what `paceline.data.load`
    raises.
    """
    of_load = {name: value for name, value in options.items() if name not in _OF_SPLIT}
    found: Dataset | Stream = load(data, seed=seed, **of_load, _rule=rule)
    return found
