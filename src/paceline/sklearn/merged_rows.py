"""Rows of a table in an order of their own, with equal rows merged.

Training draws batches and a validation part by the numbers of rows. In this order a network is the
same however the rows were sorted, and whether a row was repeated or weighted, and no row is in the
training and in the validation part.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

_HASH_KEYS = ("paceline-rows--1", "paceline-rows--2")  # of 16 bytes each, as pandas demands


def merged(
    frame: "pd.DataFrame", y: Array, weight: Array
) -> tuple["pd.DataFrame", Array, Array | None]:
    """The rows with a weight above 0, each once.

    Args:
        frame: the inputs, with the numbers of rows as index.
        y: the targets, numbers of shape (rows,).
        weight: of each row, at least 0, not all 0.

    Returns:
        Inputs, targets and weights, whose mean is 1; None for the weights if they are equal.
    """
    rows = np.flatnonzero(weight > 0)
    frame, y, weight = frame.iloc[rows], y[rows], weight[rows].astype(np.float64)
    first, second = (_hashes(frame, y, key) for key in _HASH_KEYS)
    order = np.lexsort((second, first))
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.any(np.diff([first[order], second[order]], axis=1) != 0, axis=0)
    weight = np.add.reduceat(weight[order], np.flatnonzero(is_new))
    chosen = order[is_new]
    weights = None if np.all(weight == weight[0]) else weight / weight.mean()
    return frame.iloc[chosen].reset_index(drop=True), y[chosen], weights


def _hashes(frame: "pd.DataFrame", y: Array, key: str) -> Array:
    """64 bits of each row and its target.

    Raises:
        InvalidInput: values that are neither numbers, texts, categories nor dates.
    """
    import pandas as pd

    rows = frame.assign(**{_unused(frame): y})
    try:
        hashes = pd.util.hash_pandas_object(rows, index=False, hash_key=key)
    except TypeError as error:  # of lists, dicts, ...
        raise InvalidInput(
            f"X contains values that cannot be compared ({error})",
            expected="numbers, texts, categories or dates",
        ) from error
    return hashes.to_numpy(dtype=np.uint64)


def _unused(frame: "pd.DataFrame") -> str:
    """A name that no column has."""
    name = "target"
    while name in frame.columns:
        name += "_"
    return name
