"""Schedules: early stopping of trials. Uses only `paceline.core`.

``create("full")`` makes a schedule from its name, `restore` from its JSON; `register` adds a class.
"""

from paceline.schedule.asha import Asha
from paceline.schedule.full import Full
from paceline.schedule.halving import Halving, Hyperband
from paceline.schedule.keras_tuner_brackets import KerasTunerHyperband
from paceline.schedule.median import Median
from paceline.schedule.schedule import (
    Schedule,
    create,
    register,
    restore,
    schedule_names,
)
from paceline.schedule.standings import Standing, Standings

__all__ = [
    "Asha",
    "Full",
    "Halving",
    "Hyperband",
    "KerasTunerHyperband",
    "Median",
    "Schedule",
    "Standing",
    "Standings",
    "create",
    "register",
    "restore",
    "schedule_names",
]
