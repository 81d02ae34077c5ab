"""The arguments of a call: which were given, and which apply to a study of this kind."""

from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.settings.description import GROUPS
from paceline.settings.function import CallOptions, Kind
from paceline.settings.keywords import OptimizeOptions, TuneOptions, names
from paceline.settings.rules import Change
from paceline.study.resume.existing import Existing

OBJECTS = frozenset(
    {"build", "data", "objective", "search", "schedule", "budget", "trials", "executor"}
    | {"start_with", "prior", "learn_from", "space", "fixed", "change_space", "callbacks"}
)
"""Arguments that are more than values of single settings."""

_OF_FUNCTIONS = names(CallOptions)
"""Arguments that apply only to a study of a function."""

_OF_NETWORKS = (
    "data",
    "batch_size",
    *(
        name
        for name in names(TuneOptions)
        if name not in (*names(OptimizeOptions), *_OF_FUNCTIONS, "workers")
    ),
)
"""Arguments that apply only to a study of networks."""

_LEFT_OPEN = frozenset(
    {"epochs", "batch_size", "objective", "seed", "budget", "search", "schedule", "data", "build"}
    | {
        name
        for group in GROUPS.values()
        for name, rule in group.rules().items()
        if rule.change is Change.SILENT
    }
)
"""Arguments for which None means that nothing was given."""

_AUTO = ("search", "schedule", "final")
"""Arguments for which ``"auto"`` means the value of the existing study."""


def without_open(given: Mapping[str, Any], existing: Existing | None) -> dict[str, Any]:
    """The given arguments but those that leave the choice to the study or to Paceline."""
    return {
        name: value
        for name, value in given.items()
        if not (name in _LEFT_OPEN and value is None)
        and not (name in _AUTO and is_auto(value) and (existing is not None or name != "final"))
    }


def is_auto(value: Any) -> bool:
    """Whether a value is ``"auto"``."""
    return isinstance(value, str) and value.strip().lower() == "auto"


def kind_of(given: Mapping[str, Any]) -> Kind:
    """The kind of a new study: one of networks if there are data."""
    return "function" if given.get("data") is None else "networks"


def refuse_others(given: Mapping[str, Any], kind: Kind, exists: bool) -> None:
    """Refuses arguments that do not apply to a study of this kind, unless they are None.

    Raises:
        InvalidInput: one was given.
    """
    is_function = kind != "networks"
    if is_function and given.get("callbacks"):
        names = ", ".join(type(one).__name__ for one in given["callbacks"])
        raise InvalidInput(
            f"callbacks contains {names} of Keras, and a function is tuned",
            expected="objects of paceline.Callback, or networks and data",
            fix="The function passes callbacks of Keras to model.fit itself.",
        )
    of = "a study of a function" if is_function else "a study of networks"
    when = f"with {of}" if exists else "without data" if is_function else "with data"
    why = "or data" if is_function else "which is for functions without data"
    for name in _OF_NETWORKS if is_function else _OF_FUNCTIONS:
        if given.get(name) is not None:
            raise InvalidInput(f"{name} was given {when}", expected=f"no {name}, {why}")
