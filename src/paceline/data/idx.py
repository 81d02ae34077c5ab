"""The idx format of MNIST and its relatives: big-endian header, then the array.

    bytes 0-1   zero
    byte  2     type of the values (table below)
    byte  3     number of axes
    then        one big-endian uint32 per axis: its length
    then        the values, row by row

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "the IDX
    file format".
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from paceline.core import InvalidInput, MissingData
from paceline.data.trees import Array

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_IMAGES, _LABELS = ("idx3-ubyte", "idx4-ubyte", "idx2-ubyte"), ("idx1-ubyte",)


def find(folder: Path) -> dict[str, Path]:
    """The idx files of a folder by part (``"train-images"``, ...), gzipped or not."""
    found = {}
    for part in PARTS:
        endings = _IMAGES if part.endswith("images") else _LABELS
        names = [
            f"{part}{dash}{ending}{gz}" for gz in (".gz", "") for ending in endings for dash in "-."
        ]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is not None:
            found[part] = path
    return found


def shape(path: Path) -> tuple[int, ...]:
    """Shape according to the file's header; reads nothing else.

    Raises:
        InvalidInput: not an idx file.
    """
    with _open(path) as stream:
        return _header(stream.read(4 + 4 * 8), path)[1]


def read(path: Path) -> Array:
    """The array of an idx file, gzipped (``.gz``) or not, in native byte order.

    Raises:
        MissingData: no such file.
        InvalidInput: truncated, corrupt, or not an idx file.
    """
    if not path.is_file():
        raise MissingData(f"{path} does not exist", expected="an idx file")
    with _open(path) as stream:
        content = stream.read()
    kind, lengths, start = _header(content, path)
    promised = math.prod(lengths) * kind.itemsize
    if len(content) - start != promised:
        raise InvalidInput(
            f"{path} contains {len(content) - start:,} bytes of values",
            expected=f"{promised:,}, as its header says ({' × '.join(map(str, lengths))})",
            fix="The file is incomplete or damaged: delete it and download it again.",
        )
    values = np.frombuffer(content, dtype=kind, offset=start).reshape(lengths)
    return values.astype(kind.newbyteorder("="), copy=False)


class _open:  # noqa: N801 - used like a function
    """Opens a file, gzipped if its name ends in ``.gz``, and converts errors of reading it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115

    def __enter__(self) -> "_open":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        """All bytes, or the first ``size``."""
        try:
            return self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InvalidInput(
                f"{self._path} cannot be unpacked ({error})",
                expected="a complete gzip file",
                fix="The file is incomplete or damaged: delete it and download it again.",
            ) from error


def _header(content: bytes, path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...], int]:
    """Type of the values, shape, and offset of the values."""
    code, axes = (content[2], content[3]) if len(content) >= 4 else (0, 0)
    start = 4 + 4 * axes
    if content[:2] != b"\0\0" or code not in _TYPES or not 1 <= axes <= 8 or len(content) < start:
        raise InvalidInput(
            f"{path} starts with the bytes {content[:4].hex(' ') or '(none)'}",
            expected="an idx file, whose first bytes are 00 00 08 and the number of axes",
            fix="It is another kind of file, or damaged.",
        )
    return np.dtype(_TYPES[code]), struct.unpack(f">{axes}I", content[4:start]), start
