"""Duplicate rows between two parts of a data set (leakage)."""

import numpy as np

from paceline.data.trees import Array, Tree, leaves, num_rows


def num_shared(x: Tree, x_test: Tree) -> int:
    """Number of rows of ``x_test`` whose inputs occur in ``x``, byte for byte.

    Args:
        x: inputs (rows, ...), or a tree of them.
        x_test: the same, of the same form.
    """
    known = set(_hashes(x))
    return sum(row in known for row in _hashes(x_test))


def _hashes(x: Tree) -> list[object]:
    parts = [_bytes(leaf) for _, leaf in leaves(x)]
    return [hash(tuple(part[row].tobytes() for part in parts)) for row in range(num_rows(x))]


def _bytes(leaf: Array) -> Array:
    return np.ascontiguousarray(leaf).reshape(len(leaf), -1)
