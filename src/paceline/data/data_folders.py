"""The folders in which data sets are searched, in order.

1. ``data_dir``, as passed by the caller,
2. the environment variable ``PACELINE_DATA``,
3. the user's cache directory, where downloads go.

In 1 and 2 a data set ``name`` is in ``<folder>/<name>/`` or, if the checksums match, in
``<folder>/`` itself.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from paceline.core import MissingData
from paceline.data import idx
from paceline.data.named_sets import NamedSet

VARIABLE = "PACELINE_DATA"


def folders(data_dir: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    """The user's data folders: ``data_dir``, then ``PACELINE_DATA``.

    Raises:
        MissingData: ``data_dir`` is not a folder.
    """
    named = [("data_dir", data_dir), (VARIABLE, os.environ.get(VARIABLE))]
    paths = [(name, Path(folder).expanduser()) for name, folder in named if folder]
    return tuple(existing(name, path) for name, path in paths)


def existing(name: str, folder: Path) -> Path:
    """Checks that a folder exists; ``name`` is the argument's name.

    Raises:
        MissingData: it does not.
    """
    if not folder.is_dir():
        raise MissingData(
            f"{name} is {str(folder)!r}, which is not a folder", expected="an existing folder"
        )
    return folder


def cache(name: str) -> Path:
    """The folder for downloads of a data set in the user's cache directory; not created."""
    import platformdirs

    return platformdirs.user_cache_path("paceline") / "data" / name


def find(source: NamedSet, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder that contains a named data set, or None."""
    for folder in folders(data_dir):
        if _complete(folder / source.name, source):
            return folder / source.name
        if _complete(folder, source) and _official(folder, source):
            return folder
    place = cache(source.name)
    return place if _complete(place, source) else None


def idx_folders(data_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Subfolders of the user's data folders with idx files, in alphabetical order."""
    for folder in folders(data_dir):
        yield from (
            place
            for place in sorted(folder.iterdir())
            if place.is_dir() and "train-images" in idx.find(place)
        )


def california_file(folder: Path) -> Path:
    """The file of California Housing in a folder, unpacked if there is one; it may not exist."""
    unpacked = folder / "cal_housing.data"
    return unpacked if unpacked.is_file() else folder / "cal_housing.tgz"


def _complete(folder: Path, source: NamedSet) -> bool:
    if source.form == "idx":
        return len(idx.find(folder)) == len(idx.PARTS)
    return california_file(folder).is_file()


def _official(folder: Path, source: NamedSet) -> bool:
    """Whether files directly in a data folder are this data set's: similar sets share names."""
    if source.form != "idx":
        return True
    return all(
        (folder / name).is_file() and _sha256(folder / name) == known
        for name, known in source.files.items()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
