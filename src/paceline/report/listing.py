"""The studies of a folder or of a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paceline.core import PacelineError
from paceline.core.commands import study_name
from paceline.report.show import Summary, read
from paceline.store import has_study, names_in, study_directory


@dataclass(frozen=True)
class Listed:
    """One of the studies.

    Attributes:
        study: what it is called: its directory, or its URL.
        summary: what it contains; None if it cannot be read.
        error: why it cannot be read; "" if it can.
    """

    study: str
    summary: Summary | None
    error: str = ""


def studies_in(where: str) -> Iterator[Listed]:
    """The studies of a folder, by name, or of a database, the oldest first.

    Args:
        where: the folder, or the address of the database: ``postgresql://host/database``. With the
            beginning of a study's name after it, only studies whose names begin so.

    Raises:
        InvalidInput: no such folder or address.
        PacelineError: it cannot be read.
    """
    if "://" in where:
        for study in names_in(where):
            yield _listed(study)
        return
    folder = study_directory(where, "where")
    places = [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
    for place in places:
        if place.is_dir() and has_study(place):
            yield _listed(place)


def _listed(study: str | Path) -> Listed:
    name = str(study)
    try:
        summary = read(study)
    except PacelineError as error:
        return Listed(name, None, str(error))
    return Listed(study_name(summary.directory), summary)
