"""Storage of a study: a log of events.

`open_store` opens a study's store; `Store` is the contract, and `register` adds a class of stores.
"""

from paceline.store.choosing import check_store, files_of, has_study, open_store
from paceline.store.database import StudyStore
from paceline.store.paths import study_directory
from paceline.store.store import Snapshot, Store, Stored, lock, register
from paceline.store.writer import SessionClock, this_process

__all__ = [
    "SessionClock",
    "Snapshot",
    "Store",
    "Stored",
    "StudyStore",
    "check_store",
    "files_of",
    "has_study",
    "lock",
    "open_store",
    "register",
    "study_directory",
    "this_process",
]
