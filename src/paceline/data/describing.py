"""`describe`: the named data sets, and where each lies or would come from."""

import os
from collections.abc import Mapping
from pathlib import Path

from paceline.core import InvalidInput
from paceline.data import idx, places
from paceline.data.records import DatasetInfo
from paceline.data.registry import SOURCES, Source


def describe(
    data_dir: str | os.PathLike[str] | None = None, *, _sources: Mapping[str, Source] = SOURCES
) -> list[DatasetInfo]:
    """What is known of every named data set, the folders of idx files in the user's data folders
    included.

    Args:
        data_dir: where to look first; then ``PACELINE_DATA``, then the user's cache.

    Raises:
        MissingData: ``data_dir`` is not a folder.
    """
    known = [_info(source, data_dir) for source in _sources.values()]
    seen = set(_sources)
    for folder in places.idx_folders(data_dir):
        if folder.name not in seen:
            seen.add(folder.name)
            known.append(_found(folder))
    return known


def _info(source: Source, data_dir: str | os.PathLike[str] | None) -> DatasetInfo:
    if source.form == "bundled":
        found: str | None = "scikit-learn"
    else:
        place = places.find(source, data_dir)
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
    """What the headers of idx files say; a damaged file counts no rows."""
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
