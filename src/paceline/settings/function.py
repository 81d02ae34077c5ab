"""Settings of what is tuned: a function that builds networks, a built-in network, any function."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from paceline.core import Value
from paceline.core.events import Json
from paceline.settings.rules import Change, FromMemory, Group, Terminal, setting, unchecked
from paceline.space import Hyperparameter, Space

NETWORKS: Final = "networks"
FUNCTION: Final = "function"
ASKED: Final = "asked"
"""Kinds of studies: of networks on data, of a function, and of trials that their user runs."""

BY_HAND: Final = "trials run by hand"
"""The name of what `paceline.open_study` tries, as a study records it."""
CLOSED: Final = "closed"
"""Why a study of that kind ended, unless it was interrupted; trials may be pending."""

Kind = Literal["networks", "function", "asked"]


class FunctionOptions(TypedDict, total=False):
    """Options of `paceline.tune` and `paceline.optimize` about what is tuned."""

    fixed: Mapping[str, Any] | None
    """Values of hyperparameters that are not tuned, by name."""
    change_space: bool
    """Whether an existing study may continue in another space: with a wider or narrower range, a
    choice more or less, a hyperparameter fixed, dropped or new. Trials whose configuration belongs
    to the new space count as before, and are not run again. Those with a value of a dropped
    hyperparameter guide the search, but cannot be the best. All others stay in the record without
    effect. If False, another space is a StudyMismatch.
    """


class CallOptions(TypedDict, total=False):
    """Options of `paceline.tune` that apply only without data; see `paceline.optimize`."""

    space: Space | Mapping[str, Hyperparameter] | None
    """Only without data: the search space, so that it need not be found during the trials."""
    time_limit: float | str | None
    """Only with ``workers`` or a pool: how long one trial may take, such as ``"15m"``."""
    memory_limit: int | str | None
    """Only with ``workers``: how much memory one trial may take, such as ``"2GiB"``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings(Group):
    """The function or network that is tuned. Its changes show in the space, compared separately.

    Attributes:
        kind: ``"networks"``, ``"function"`` or ``"asked"``.
        build: ``"/where/model.py:build"``; None for a built-in network.
        model: the name of a built-in network.
        network: the form of the data for a built-in network.
        fixed: hyperparameters that are not tuned, with their values.
        space: the given part of a function's space, as JSON.
    """

    kind: Kind = setting(NETWORKS, unchecked, is_option=False)
    build: str | FromMemory | None = setting(None, unchecked, Change.SILENT)
    model: str | None = setting(
        None,
        unchecked,
        terminal=Terminal(
            help="A built-in network in place of a build function: mlp, cnn, resnet, transformer, "
            "lstm or tabular."
        ),
    )
    network: Mapping[str, Json] | None = setting(None, unchecked, Change.SILENT, is_option=False)
    fixed: Mapping[str, Value] = setting({}, unchecked, Change.SILENT)
    space: Mapping[str, Json] | None = setting(None, unchecked, Change.SILENT, is_option=False)
