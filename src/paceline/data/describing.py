"""`describe`: the named data sets and their locations."""

import os
from collections.abc import Mapping
from pathlib import Path

from paceline.core import InvalidInput
from paceline.data import data_folders, idx
from paceline.data.named_sets import NAMED_SETS, NamedSet
from paceline.data.records import DatasetInfo


def describe(data_dir: str | os.PathLike[str] | None = None) -> list[DatasetInfo]:
    """Describes every named data set, including folders of idx files in the user's data folders.

    Args:
        data_dir: where to look first; then ``PACELINE_DATA``, then the user's cache.

    Raises:
        MissingData: ``data_dir`` is not a folder.
    """
    return described(NAMED_SETS, data_dir)


def described(
    sources: Mapping[str, NamedSet], data_dir: str | os.PathLike[str] | None = None
) -> list[DatasetInfo]:
    """As `describe`, with other named data sets."""
    known = [_info(source, data_dir) for source in sources.values()]
    seen = set(sources)
    for folder in data_folders.idx_folders(data_dir):
        if folder.name not in seen:
            seen.add(folder.name)
            known.append(_found(folder))
    return known


def _info(source: NamedSet, data_dir: str | os.PathLike[str] | None) -> DatasetInfo:
    if source.form == "bundled":
        found: str | None = "scikit-learn"
    else:
        place = data_folders.find(source, data_dir)
        found = None if place is None else str(place)
    return DatasetInfo(
        source.name,
        source.title,
        source.rows,
        source.test_rows,
        source.shape,
        source.task,
        source.num_classes,
        source.licence,
        source.source,
        found,
        source.addresses,
        tuple(source.files),
    )


def _found(folder: Path) -> DatasetInfo:
    """A data set by the headers of its idx files; a damaged file counts as no rows."""
    found = idx.find(folder)
    shapes = {}
    for part, path in found.items():
        try:
            shapes[part] = idx.shape(path)
        except InvalidInput:
            shapes[part] = (0,)
    images = shapes["train-images"]
    return DatasetInfo(
        name=folder.name,
        title="images from your data folder",
        rows=images[0],
        test_rows=shapes.get("t10k-images", (0,))[0],
        shape=images[1:],
        task="classification",
        num_classes=None,
        licence="see the folder",
        source="your data folder",
        found=str(folder),
        files=tuple(path.name for path in found.values()),
    )
