"""What to pass in place of a path, or an object, that is no data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core import InvalidInput, MissingData
from paceline.data import idx
from paceline.data.table_files import ENDINGS

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
"""File name endings of images."""

_EXPECTED = (
    "a folder of idx files, 'folder:PATH' for images in one folder for each class, or an .npz, "
    ".csv, .tsv or .parquet file"
)
_READ_BY_PANDAS = {
    ".xlsx": "read_excel",
    ".xls": "read_excel",
    ".ods": "read_excel",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".feather": "read_feather",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".txt": "read_csv",
    ".data": "read_csv",
    ".dat": "read_csv",
    ".xml": "read_xml",
}
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
_NUM_LISTED = 1000  # entries of a folder that are looked at


def no_data_folder(path: Path) -> InvalidInput:
    """The error about a folder without idx files."""
    return MissingData(f"the folder {path} has no idx files", expected=_EXPECTED, fix=_in(path))


def no_data_file(path: Path) -> InvalidInput:
    """The error about a file whose name does not end as that of data does."""
    return InvalidInput(
        f"data is the file {path}",
        expected="a name that ends in .npz, .csv, .csv.gz, .tsv or .parquet",
        fix=_of_file(path),
    )


def no_image_folder(path: Path, expected: str, num_classes: int = 0) -> InvalidInput:
    """The error about ``folder:`` before what is no folder of images.

    Args:
        path: what follows ``folder:``.
        expected: what was expected.
        num_classes: the number of its folders with images.
    """
    if path.is_file() or idx.find(path):
        what = "a file" if path.is_file() else "a folder of idx files"
        return InvalidInput(
            f"data is 'folder:{path}' and {path} is {what}",
            expected=expected,
            fix=f"Leave out 'folder:' and pass {str(path)!r}.",
        )
    return InvalidInput(
        f"{path} has {num_classes} folder{'' if num_classes == 1 else 's'} with images",
        expected=f"{expected}: at least two",
        fix=_in(path),
    )


def instead_of(given: Mapping[str, Any]) -> str:
    """What to pass in place of arrays by name; empty if none of them is x or y."""
    names = set(map(str, given))
    for pair in (("x_train", "y_train"), ("x", "y"), ("X", "y"), ("data", "target")):
        if names.issuperset(pair):
            test = [one for one in ("x_test", "y_test") if pair[0] == "x_train" and one in names]
            return f"Pass ({', '.join(f'data[{one!r}]' for one in (*pair, *test))})."
    return ""


def _in(path: Path) -> str:
    """What to pass in place of a folder, by what is in it."""
    if _has_classes(path):
        return f"Pass images in one folder for each class as 'folder:{path}'."
    entries = _entries(path)
    inner = [one for one in entries if one.is_dir() and _has_classes(one)]
    if inner:
        return f"Pass images in one folder for each class as 'folder:{inner[0]}'."
    if any(one.suffix.lower() in IMAGES for one in entries):
        return f"Put the images of each class into a folder of its own in {path.name}."
    files = [one for one in entries if one.name.lower().endswith((*ENDINGS, ".npz"))]
    return f"Pass one of its files, such as {str(files[0])!r}." if files else ""


def _of_file(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in IMAGES:
        return "Images are read from a folder that has a folder for each class: 'folder:PATH'."
    if ending in _ARCHIVES:
        return "Unpack it, and pass what is in it."
    if ending == ".npy":
        return "In Python, pass (x, y), or write both with numpy.savez('data.npz', x=x, y=y)."
    if ending in (".py", ".ipynb"):
        return "A build function is given before data: model.py:build."
    if ending in _READ_BY_PANDAS:
        reader = f"pandas.{_READ_BY_PANDAS[ending]}"
        return f"In Python, read it with {reader} and pass the frame, with target=."
    return ""


def _has_classes(path: Path) -> bool:
    """Whether several folders in a folder, or in its folder ``train``, have images."""
    folders = [[one for one in _entries(each) if one.is_dir()] for each in (path, path / "train")]
    return any(sum(map(_has_images, each)) > 1 for each in folders)


def _has_images(path: Path) -> bool:
    return any(one.suffix.lower() in IMAGES for one in _entries(path))


def _entries(path: Path) -> list[Path]:
    """What is in a folder, in order, without hidden entries."""
    try:
        found = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    except OSError:  # it is none, or may not be read
        return []
    return found[:_NUM_LISTED]
