"""Mapping of configurations to a space that the user has changed.

| the configuration, in the new space | it counts as |
| --- | --- |
| has a legal value for each active hyperparameter, and no others | a configuration of it |
| has values of removed or now inactive hyperparameters | an observation of the rest |
| has an illegal value, or lacks the value of a new hyperparameter | nothing |

A new hyperparameter has no value in earlier configurations: what ``build`` did without it is
unknown, so its default is not assumed. A removed one with a single value carried no information, so
nothing is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.core import Configuration, Value
from paceline.space.hyperparameter import Hyperparameter
from paceline.space.space import Space


@dataclass(frozen=True, slots=True)
class Moved:
    """A configuration, mapped to a new space.

    Attributes:
        config: the mapped configuration; None if it lies outside.
        is_whole: whether nothing was lost, so that it is a configuration of the new space.
    """

    config: dict[str, Value] | None
    is_whole: bool


def move(config: Configuration, before: Space | None, after: Space) -> Moved:
    """Maps a configuration to a new space.

    Args:
        config: the configuration as it was used.
        before: the earlier space, if the configuration belongs to it: its missing values are the
            defaults there. None if it does not.
        after: the new space.
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
    # a float stays the same whatever number of digits a range keeps
    is_same = all(
        known[name].__class__ is value.__class__ for name, value in moved.items() if name in known
    )
    return Moved(moved, not lost and is_same and after.project(config) == moved)


def differences(before: Space, now: Space) -> dict[str, str]:
    """Differences between two spaces by name, as text; empty if there are none."""
    found = {}
    for name in dict.fromkeys([*before.names, *now.names]):
        had, has = before.variants(name), now.variants(name)
        if had != has:
            # else only the conditions differ
            plain = [h.definition for h in had] != [h.definition for h in has]
            found[name] = f"{_describe(had, plain)} in the study, {_describe(has, plain)} now"
    return found


def _describe(variants: tuple[Hyperparameter, ...], plain: bool) -> str:
    if not variants:
        return "not"
    is_plain = plain and len(variants) == 1
    return " or ".join(
        _unnamed(h) if is_plain else f"{_unnamed(h)}{_conditions(h)}" for h in variants
    )


def _unnamed(h: Hyperparameter) -> str:
    """``Float(0.001, 0.1, sampling='log')``, without the name."""
    return str(h).replace(f"({h.name!r}, ", "(", 1).replace(f"({h.name!r})", "()", 1)


def _conditions(h: Hyperparameter) -> str:
    return f" where {' and '.join(map(str, h.conditions))}" if h.conditions else " in any case"


def _varies(space: Space, name: str, config: Mapping[str, Any]) -> bool:
    """Whether an active hyperparameter has several values."""
    return any(h.num_values != 1 for h in space.variants(name) if space.may_be_active(h, config))
