"""Settings of the search: which configurations are tried, and for how long."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from paceline.core import Configuration
from paceline.core.events import Json
from paceline.settings.rules import (
    Change,
    Group,
    Terminal,
    optional,
    optional_flag,
    seconds,
    setting,
    unchecked,
    whole,
)

if TYPE_CHECKING:
    import optuna

    from paceline.search import Normal, Weights


class SearchOptions(TypedDict, total=False):
    """Options of `paceline.tune` and `paceline.optimize` about the search."""

    start_with: Iterable[Configuration] | None
    """Configurations to try first, as mappings; missing values are at their defaults."""
    prior: "Mapping[str, Normal | Weights] | None"
    """Where good values are likely, by name: ``{"learning_rate": Normal(1e-3)}``, ``{"activation":
    Weights({"relu": 3, "tanh": 1})}`` of `paceline.search`. Without one, good values of a
    continuous hyperparameter are assumed to be inside its range rather than at its ends. The
    influence of a prior decreases with the number of trials.
    """
    learn_from: "str | os.PathLike[str] | optuna.Study | None"
    """The directory of an earlier study on a similar task, or a study of Optuna
    (``optuna.load_study(...)``). How similar it is, is estimated.
    """
    ordered: bool | None
    """True: proposals never depend on the clock, so that the same seed gives the same study. False:
    measured seconds may influence them. None: True unless ``budget`` is given.
    """
    in_flight: int | None
    """Number of trials that run at once if a model or a schedule makes decisions: with more the
    machine is busier, with fewer each decision is based on more results.
    """


def same_state(one: Any, other: Any) -> bool:
    """Whether two states of a strategy or schedule agree in their common entries."""
    if one is None or other is None:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        shared = one.keys() & other.keys()
        if {"strategy", "schedule"} & shared:
            return all(one[key] == other[key] for key in shared)
    return bool(one == other)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings(Group):
    """Which configurations are tried, and for how long.

    Attributes:
        search: the name of the strategy as given, such as ``"auto"``.
        strategy: its state at the beginning, as JSON, without long lists.
        start_with: configurations to try first; None for none.
        schedule: its state as JSON.
        trials: how many trials the study may have in total; None for no limit.
        seconds: wall time of all sessions; None for no limit.
        seed: of everything random: split, configurations, initial weights, batches.
        ordered: whether what is tried next must not depend on the clock; None until that is
            decided.
        in_flight: how many trials run at once where a model or a schedule makes decisions;
            None until that is decided.
    """

    search: str = setting(
        "auto",
        unchecked,
        Change.NOTED,
        terminal=Terminal(help="The search strategy: auto, random, sobol, cmaes, grid, ..."),
    )
    strategy: Mapping[str, Json] | None = setting(
        None, unchecked, Change.NOTED, argument="search", same=same_state, is_option=False
    )
    start_with: Sequence[Mapping[str, Json]] | None = setting(None, unchecked, Change.NOTED)
    schedule: Mapping[str, Json] | None = setting(
        None,
        unchecked,
        Change.NOTED,
        same=same_state,
        terminal=Terminal(
            help="Which trials train on and which stop early: auto, full, median, halving, "
            "hyperband, asha, ...",
            default="auto",
            write=lambda state: state["schedule"],
        ),
    )
    trials: int | None = setting(
        None,
        optional(whole()),
        Change.SILENT,
        terminal=Terminal(int, "How many trials in total."),
    )
    seconds: float | None = setting(
        None,
        optional(seconds),
        Change.SILENT,
        argument="budget",
        terminal=Terminal(
            help="How long: 90s, 5m, 1h30m.",
            metavar="TIME",
            flags="--budget",
            write=lambda value: f"{value:.15g}s",
        ),
    )
    seed: int = setting(
        0,
        whole(at_least=0),
        terminal=Terminal(int, "Makes everything random repeatable.", default="drawn"),
    )
    ordered: bool | None = setting(None, optional_flag, Change.NOTED, is_option=False)
    in_flight: int | None = setting(None, optional(whole()), Change.SILENT, is_option=False)
