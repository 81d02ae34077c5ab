"""The study's memory: events in, events out."""

from paceline.store.database import StudyStore
from paceline.store.paths import study_directory
from paceline.store.tables import Stored

__all__ = ["Stored", "StudyStore", "study_directory"]
