"""The index of a study's checkpoints, as it is stored in the study's database."""

import secrets
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from paceline.core import UnreadableStudy, command_line
from paceline.core.events import Json


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid file of one network.

    Attributes:
        file: its name without a directory.
        epoch: number of epochs trained; 0 if the training has ended.
        key: that of the trial, see `network_files.key_of`; empty in files without labels (earlier
            versions).
        seconds: training time so far, of a running trial.
    """

    file: str
    epoch: int = 0
    key: str = ""
    seconds: float = 0.0


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
_FIELDS = tuple(one.name for one in fields(Entry))


def to_json(index: Index) -> Json:
    """An index as JSON types."""
    running = {
        str(number): {name: getattr(entry, name) for name in _FIELDS}
        for number, entry in index.running.items()
    }  # there may be thousands, and for these this is much faster
    return {**_INDEX.dump_python(replace(index, running={}), mode="json"), "running": running}


def from_json(stored: Json | None, directory: Path) -> Index:
    """Reads an index as stored by this version or an earlier one."""
    if stored is None:
        return Index()
    try:
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
