"""Storage of a study: a log of events.

`open_store` opens a study's store; `Store` is the contract, and `register` adds a class of stores.
"""

from paceline.store.choosing import (
    check_store,
    files_of,
    has_study,
    identity,
    open_store,
    study_directory,
    study_handle,
)
from paceline.store.database import StudyStore
from paceline.store.postgres import PostgresStore, names_in
from paceline.store.store import Snapshot, Store, Stored, lock, register
from paceline.store.writer import SessionClock, this_process

__all__ = [
    "PostgresStore",
    "SessionClock",
    "Snapshot",
    "Store",
    "Stored",
    "StudyStore",
    "check_store",
    "files_of",
    "has_study",
    "identity",
    "lock",
    "names_in",
    "open_store",
    "register",
    "study_directory",
    "study_handle",
    "this_process",
]
