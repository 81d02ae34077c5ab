"""Who goes on: schedules behind one contract. Knows only core.

``create("full")`` makes one by name, `restore` reads one back from its JSON; `register` makes
others known.
"""

from collections.abc import Mapping

from paceline.core import known_name
from paceline.schedule.asha import Asha
from paceline.schedule.base import Schedule, Standing, Standings, register, restore
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
    "register",
    "restore",
]

SCHEDULES: Mapping[str, type[Schedule]] = {
    kind.name: kind for kind in (Full, Median, Halving, Hyperband, Asha)
}
"""The schedules that have a name."""


def create(schedule: str | Schedule) -> Schedule:
    """A schedule by its name, with its standard settings; one that is a schedule already is
    answered as it is.

    Raises:
        InvalidInput: no schedule of this name.
    """
    if isinstance(schedule, Schedule):
        return schedule
    return SCHEDULES[known_name("schedule", schedule, SCHEDULES, "auto")]()
