"""The functions that users call."""

from paceline.api.opening import load_study, open_study
from paceline.api.resuming import ablate, finish, resume
from paceline.api.tuning import tune

__all__ = ["ablate", "finish", "load_study", "open_study", "resume", "tune"]
