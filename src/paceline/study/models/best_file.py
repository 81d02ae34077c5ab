"""Checks whether ``best.keras`` is still the file that the study wrote."""

from collections.abc import Mapping
from pathlib import Path

from paceline.core.events import Json
from paceline.store import mirror
from paceline.store.files import checksum


def fault_of(path: Path, known: Mapping[str, Json] | None) -> str:
    """The fault of the file of the best model, as the end of a sentence; empty if there is none.

    Args:
        path: that of the file.
        known: the study's description of its best model. Without a checksum, as in studies of
            earlier versions, any file is accepted.
    """
    if not mirror.fetched(path).exists():
        return "is missing"
    if not path.is_file():
        return "is not a file"
    stored = known.get("keras", {}).get("crc32") if known else None
    try:
        found = stored if stored is None else checksum(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "" if found == stored else "is not the file that the study wrote: its checksum differs"
