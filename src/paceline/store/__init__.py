"""The study's memory: events in, events out."""

from paceline.store.database import Stored, StudyStore
from paceline.store.paths import study_directory

__all__ = ["Stored", "StudyStore", "study_directory"]
