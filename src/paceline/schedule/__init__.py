"""Who goes on: schedules behind one contract. Knows only core.

``create("full")`` makes one by name, `restore` reads one back from its JSON.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.schedule.asha import Asha
from paceline.schedule.base import Schedule, Standing, Standings
from paceline.schedule.full import Full
from paceline.schedule.halving import Halving, Hyperband
from paceline.schedule.median import Median

__all__ = [
    "SCHEDULES",
    "Asha",
    "Full",
    "Halving",
    "Hyperband",
    "Median",
    "Schedule",
    "Standing",
    "Standings",
    "create",
    "restore",
]

SCHEDULES: Mapping[str, type[Schedule]] = {kind.name: kind for kind in (Full, Median, Halving, Hyperband, Asha)}
"""The schedules that have a name."""


def create(schedule: str | Schedule) -> Schedule:
    """A schedule by its name, with its standard settings; one that is a schedule already is answered as it is.

    Raises:
        InvalidInput: no schedule of this name.
    """
    return schedule if isinstance(schedule, Schedule) else SCHEDULES[_known(schedule)]()


def restore(state: Mapping[str, Any]) -> Schedule:
    """The schedule that wrote this state with ``to_json``.

    Raises:
        InvalidInput: it was written by a schedule that is not known here.
    """
    return SCHEDULES[_known(state.get("schedule"))].from_json(state)


def _known(name: object) -> str:
    cleaned = name.strip().lower() if isinstance(name, str) else ""
    if cleaned in SCHEDULES:
        return cleaned
    close = difflib.get_close_matches(cleaned, SCHEDULES, n=1)
    fix = f"Did you mean {close[0]!r}?" if close else ""
    raise InvalidInput(f"schedule is {name!r}", expected=f"one of 'auto', {', '.join(map(repr, SCHEDULES))}", fix=fix)
