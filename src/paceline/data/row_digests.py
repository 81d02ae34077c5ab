"""A number for each row of a batch, equal for equal rows, to compare two passes over data."""

import numpy as np

from paceline.core import InvalidInput
from paceline.data.trees import Array, Tree, leaves

_WORD = 8  # bytes
# The constants of SplitMix64 (Steele, Lea, Flood, 2014, doi:10.1145/2660193.2660195).
_STEP, _FIRST, _SECOND = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


def row_digests(batch: tuple[Tree, ...]) -> Array:
    """Digests of the rows of a batch, uint64 ``(rows,)``.

    Raises:
        InvalidInput: an array of something else than numbers.
    """
    total: Array | None = None
    place = 0
    for part in batch:
        for path, leaf in leaves(part) if part is not None else ():
            words = _words(leaf, path)
            places = np.arange(place + 1, place + 1 + words.shape[1]).astype(np.uint64)
            place += words.shape[1]
            summed = _mixed(words + _STEP * places).sum(axis=1, dtype=np.uint64)
            total = summed if total is None else total + summed
    return np.zeros(0, np.uint64) if total is None else total


def _words(leaf: Array, path: str) -> Array:
    """The bytes of each row as whole numbers, uint64 (rows, words)."""
    if leaf.dtype.kind not in "biufc" and leaf.dtype.name != "bfloat16":
        raise InvalidInput(
            f"a batch has an array of {leaf.dtype}{f' at {path}' if path else ''}",
            expected="numbers",
            fix="Convert texts to numbers in the pipeline, for example with "
            "keras.layers.TextVectorization.",
        )
    rows = np.ascontiguousarray(leaf).reshape(len(leaf), -1).view(np.uint8)
    missing = -rows.shape[1] % _WORD
    padded = np.pad(rows, ((0, 0), (0, missing))) if missing else rows
    return np.ascontiguousarray(padded).view(np.uint64)


def _mixed(words: Array) -> Array:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return np.asarray(words ^ (words >> np.uint64(31)))
