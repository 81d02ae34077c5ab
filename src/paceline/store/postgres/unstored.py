"""What a writer could not store since its server stayed away: a file in the study's directory.

The next writer in this directory appends it, unless the study was written from elsewhere since.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from paceline.core.events import Json
from paceline.store.files import remove, write_text
from paceline.store.paths import UNSTORED
from paceline.store.postgres.statements import Batch

IGNORED = "unstored-ignored.json"


def save(directory: Path, writer: Json, batches: Sequence[Batch]) -> Path:
    """Writes batches to a file.

    Args:
        directory: of the study.
        writer: the writer that could not store them.
        batches: in order.

    Raises:
        PacelineError: it cannot be written.
    """
    path = directory / UNSTORED
    body = {"writer": writer, "batches": [asdict(batch) for batch in batches]}
    write_text(path, json.dumps(body))
    return path


def load(directory: Path) -> tuple[Json, list[Batch]] | None:
    """The writer and the batches of the file; None if there is none, or a damaged one."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        body = json.loads((directory / UNSTORED).read_text("utf-8"))
        return body["writer"], [Batch(**one) for one in body["batches"]]
    return None


def finish(directory: Path, *, is_stored: bool) -> None:
    """Removes the file, or renames it if it was not used."""
    path = directory / UNSTORED
    if is_stored:
        remove(path)
    else:
        with suppress(OSError):
            path.replace(directory / IGNORED)
