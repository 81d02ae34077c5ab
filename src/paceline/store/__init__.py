"""The study's memory: events in, events out."""

from paceline.store.database import Stored, StudyStore

__all__ = ["Stored", "StudyStore"]
