"""The memory of a study: events in, events out.

`open_store` opens the store that a study has; `Store` is the contract, and `register` makes another
class of stores known.
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
