"""The index of a study's checkpoints, as it is stored in the study's database."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from paceline.core import UnreadableStudy, command_line
from paceline.core.events import Json
from paceline.study.record import parts

NAME = "checkpoints"
"""Of the current value; the files of running trials are in parts of it, see `parts`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid file of one network.

    Attributes:
        file: its name without a directory.
        epoch: number of epochs trained; 0 if the training has ended.
        key: that of the trial, see `network_files.key_of`; empty in files without labels (earlier
            versions).
        seconds: training time so far, of a running trial.
        crc32: checksum of the network in its file; None if it was not stored (earlier versions).
        earlier: the one before, as long as this one may not be on the disk yet.
    """

    file: str
    epoch: int = 0
    key: str = ""
    seconds: float = 0.0
    crc32: int | None = None
    earlier: "Entry | None" = None

    @property
    def files(self) -> Iterator[str]:
        """The file, and that of the earlier entry."""
        yield self.file
        if self.earlier is not None:
            yield self.earlier.file

    def to_json(self) -> Json:
        """The entry as JSON types; there may be thousands, and for these this is fast."""
        known: dict[str, Json] = {"file": self.file, "epoch": self.epoch, "key": self.key}
        known["seconds"] = self.seconds
        if self.crc32 is not None:
            known["crc32"] = self.crc32
        if self.earlier is not None:
            known["earlier"] = self.earlier.to_json()
        return known


@dataclass(slots=True)
class Index:
    """The valid files, as stored in the study's database.

    Attributes:
        study: unique identifier of the study.
        running: files of trials that have not ended, by number.
        models: files of the trained networks that are kept, by number of the trial.
        best_model: description of the study's final model, with its file.
        keep: number of trials whose trained networks are kept.
        next: number of the last file.
    """

    study: str = field(default_factory=lambda: secrets.token_hex(16))
    running: dict[int, Entry] = field(default_factory=dict)
    models: dict[int, Entry] = field(default_factory=dict)
    best_model: dict[str, Any] | None = None
    keep: int = 1
    next: int = 0


_INDEX = TypeAdapter(Index)


def head_of(index: Index) -> dict[str, Json]:
    """An index without the files of running trials as JSON types."""
    stored: dict[str, Json] = _INDEX.dump_python(replace(index, running={}), mode="json")
    del stored["running"]
    return stored


def read(value: parts.Read, directory: Path) -> Index | None:
    """Reads an index as stored by this version or an earlier one; None if there is none.

    Args:
        value: returns a current value of the study by name.
        directory: of the files, for the message.

    Raises:
        UnreadableStudy: it is damaged.
    """
    try:
        stored = parts.read(value, NAME, "running")
        if stored is None:
            return None
        entries = dict(stored)
        models = entries.get("models", {})
        models = {
            number: {"file": one} if isinstance(one, str) else one for number, one in models.items()
        }
        if best := entries.get("best"):  # form of versions that kept the best trial only
            models[best["trial"]] = {"file": best["file"]}
        if model := entries.get("best_model"):
            entries["best_model"] = {
                "key": "",
                **model,
                "trial": int(model["trial"]),
                "file": str(model["file"]),
            }
        return _INDEX.validate_python({**entries, "models": models})
    except (ValidationError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise UnreadableStudy(
            f"which files in {directory} are valid cannot be read "
            f"({' '.join(str(error).split())[:200]}); "
            f"to see what can be repaired: {command_line('doctor', directory.parent)}"
        ) from error
