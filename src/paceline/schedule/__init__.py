"""Who goes on: schedules behind one contract. Knows only core.

``create("full")`` makes one by name, `restore` reads one back from its JSON; `register` makes
others known.
"""

from paceline.schedule.asha import Asha
from paceline.schedule.base import (
    Schedule,
    Standing,
    Standings,
    create,
    register,
    restore,
    schedule_names,
)
from paceline.schedule.full import Full
from paceline.schedule.halving import Halving, Hyperband
from paceline.schedule.median import Median

__all__ = [
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
    "schedule_names",
]
