"""The functions that users call."""

from paceline.api.opening import doctor, load_study, open_study
from paceline.api.resuming import ablate, finish, resume
from paceline.api.tuning import ARGUMENTS, check, optimize, tune

__all__ = [
    "ARGUMENTS",
    "ablate",
    "check",
    "doctor",
    "finish",
    "load_study",
    "open_study",
    "optimize",
    "resume",
    "tune",
]
