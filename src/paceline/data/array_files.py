"""Files of arrays: folders of idx files, and NumPy's ``.npz``."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from paceline.core import InvalidInput, MissingData
from paceline.data import idx
from paceline.data.trees import Array

Parts = tuple[Array, Array, Array | None, Array | None]
"""x, y, x_test, y_test; the last two None if the files have no test part."""


def read_idx_folder(folder: Path) -> Parts:
    """Images, float32 in [0, 1], and labels of a folder of idx files; the test part is optional.

    Raises:
        MissingData: no training images or labels.
        InvalidInput: a damaged file, or different numbers of images and labels.
    """
    found = idx.find(folder)
    wanted = ["train-images", "train-labels"] + (["t10k-labels"] if "t10k-images" in found else [])
    absent = [part for part in wanted if part not in found]
    if absent:
        raise MissingData(
            f"the folder {folder} lacks {' and '.join(absent)}",
            expected="train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and the same for "
            "t10k, gzipped or not",
        )
    x, y = _images(found, "train")
    if "t10k-images" not in found:
        return x, y, None, None
    return x, y, *_images(found, "t10k")


def _images(found: dict[str, Path], part: str) -> tuple[Array, Array]:
    images, labels = (idx.read(found[f"{part}-{kind}"]) for kind in ("images", "labels"))
    if len(images) != len(labels) or labels.ndim != 1:
        both = (found[f"{part}-{kind}"].name for kind in ("images", "labels"))
        raise InvalidInput(
            f"{' and '.join(both)} in {found[f'{part}-images'].parent} contain {len(images):,} "
            f"images and {len(labels):,} labels",
            expected="one label for each image",
        )
    return pixels(images), labels


def pixels(images: Array) -> Array:
    """Bytes 0 to 255 as float32 in [0, 1]; anything else unchanged."""
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images


def read_npz(path: Path) -> tuple[Parts, bool]:
    """Reads ``x_train, y_train, x_test, y_test`` (Keras's names) or ``x, y`` of an ``.npz`` file.

    Also returns whether they are images of bytes, 0 to 255.

    Raises:
        MissingData: no such file.
        InvalidInput: damaged, other names, or Python objects inside.
    """
    if not path.is_file():
        raise MissingData(f"{path} does not exist", expected="an .npz file")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = set(archive.files)
            keys = ["x_train", "y_train"] if "x_train" in names else ["x", "y"]
            keys += ["x_test", "y_test"] if {"x_test", "y_test"} & names else []
            absent = [key for key in keys if key not in names]
            arrays = {} if absent else {key: archive[key] for key in keys}
    except (
        OSError,
        EOFError,
        ValueError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InvalidInput(
            f"{path} cannot be read ({error})",
            expected="a complete .npz file of plain arrays",
            fix="It is incomplete, damaged, of another kind, or contains Python objects, which are "
            "not read for safety.",
        ) from error
    if absent:
        raise InvalidInput(
            f"{path} contains the arrays {', '.join(sorted(names)) or '(none)'}",
            expected="x_train, y_train, x_test, y_test, or x, y",
        )
    x, y, x_test, y_test = (
        arrays[keys[0]],
        arrays[keys[1]],
        arrays.get("x_test"),
        arrays.get("y_test"),
    )
    return (x, y, x_test, y_test), x.dtype == np.uint8 and x.ndim >= 3
