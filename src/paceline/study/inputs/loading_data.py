"""Loads a study's data, before they are divided."""

from collections.abc import Mapping
from typing import Any

from paceline.core.events import Json
from paceline.data import Dataset, Stream, load
from paceline.data.records import RULE

_OF_SPLIT = ("standardize", "scale_target")  # data options that `load` does not have


def rule_of(recorded: Mapping[str, Json] | None) -> int:
    """The version of the data preparation of a study, from its record; None for a new study."""
    if recorded is None:
        return RULE
    kept = recorded.get("preparation")
    return 1 if kept is None else int(kept["rule"])


def load_data(
    data: Any, options: Mapping[str, Any], seed: int, rule: int, *, coded: bool = False
) -> Dataset | Stream:
    """Loads the data set with the user's data options; raises what `paceline.data.load` raises.

    Args:
        data: where they come from.
        options: the user's data options.
        seed: of the study.
        rule: version of the data preparation.
        coded: whether categories of a table are to be numbers, and not features of their own.
    """
    of_load = {name: value for name, value in options.items() if name not in _OF_SPLIT}
    found: Dataset | Stream = load(data, seed=seed, **of_load, _rule=rule, _coded=coded)
    return found
