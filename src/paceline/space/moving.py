"""What becomes of a configuration where the user changes the space.

| the configuration, in the new space | it counts as |
| --- | --- |
| has a legal value for all that is active, and nothing beside that | one of the new space |
| lost the value of a hyperparameter that is gone, or not active any more | an observation of what is left of it |
| has a value that is not legal, or none for a hyperparameter that is new | none |

A new hyperparameter has no value in the configurations before it: what ``build`` did without it is
not known, so its default is not taken for it. One that is gone and had a single value told nothing
apart, so nothing is lost with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.core import Configuration, Value
from paceline.space.base import Hyperparameter
from paceline.space.space import Space


@dataclass(frozen=True, slots=True)
class Moved:
    """A configuration, seen from a new space.

    Attributes:
        config: what it is there; None where it lies outside.
        is_whole: whether nothing of it was lost, so that it is a configuration of the new space.
    """

    config: dict[str, Value] | None
    is_whole: bool


def move(config: Configuration, before: Space | None, after: Space) -> Moved:
    """What a configuration is in a new space.

    Args:
        config: as it was used.
        before: the space before, where the configuration is one of it: values that it lacks (of
            hyperparameters that joined the space later) are at their defaults there. None where it
            is none of it.
        after: the space now.
    """
    known = dict(config) if before is None else before.complete(config)
    moved = after.project(known, strict=True)
    if moved is None:
        return Moved(None, False)
    lost = [
        name
        for name in config
        if name not in moved and (before is None or _varies(before, name, known))
    ]
    # a float is the same one whatever number of digits a range keeps of it
    is_same = all(
        known[name].__class__ is value.__class__ for name, value in moved.items() if name in known
    )
    return Moved(moved, not lost and is_same and after.project(config) == moved)


def differences(before: Space, now: Space) -> dict[str, str]:
    """By name, what differs between two spaces, in words; empty where nothing does."""
    found = {}
    for name in dict.fromkeys([*before.names, *now.names]):
        had, has = before.variants(name), now.variants(name)
        if had != has:
            plain = [h.definition for h in had] != [
                h.definition for h in has
            ]  # else only the conditions differ
            found[name] = f"{_told(had, plain)} in the study, {_told(has, plain)} now"
    return found


def _told(variants: tuple[Hyperparameter, ...], plain: bool) -> str:
    if not variants:
        return "not"
    is_plain = plain and len(variants) == 1
    return " or ".join(
        _unnamed(h) if is_plain else f"{_unnamed(h)}{_conditions(h)}" for h in variants
    )


def _unnamed(h: Hyperparameter) -> str:
    """``Float(0.001, 0.1, sampling='log')``: the name stands beside it."""
    return str(h).replace(f"({h.name!r}, ", "(", 1).replace(f"({h.name!r})", "()", 1)


def _conditions(h: Hyperparameter) -> str:
    return f" where {' and '.join(map(str, h.conditions))}" if h.conditions else " in any case"


def _varies(space: Space, name: str, config: Mapping[str, Any]) -> bool:
    """Whether an active hyperparameter has several values."""
    return any(h.num_values != 1 for h in space.variants(name) if space.may_be_active(h, config))
