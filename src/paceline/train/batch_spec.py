"""Shapes and types of a training batch as JSON, to build a model again without the data.

A model without a declared input shape has no variables before its first batch, of which only the
structure, the shapes and the types matter.
"""

from typing import Any

import jax
import numpy as np

from paceline.core.events import Json
from paceline.train.array_feed import Tree
from paceline.train.variables import Batch


def to_json(batch: Batch, rows_vary: bool) -> Json:
    """Shapes and types of a batch as JSON.

    Args:
        batch: shapes and types of the batch.
        rows_vary: whether to omit the number of rows, if it depends on the configuration.
    """

    def leaf(spec: Any) -> Json:
        return {
            "shape": [None if rows_vary else spec.shape[0], *spec.shape[1:]],
            "dtype": str(spec.dtype),
        }

    return [_write(part, leaf) for part in batch]


def from_json(form: Json, rows: int) -> Batch:
    """The batch from `to_json`, with ``rows`` rows if their number was omitted."""

    def leaf(stored: Json) -> Any:
        count, *rest = stored["shape"]
        return jax.ShapeDtypeStruct(
            (rows if count is None else count, *rest), np.dtype(stored["dtype"])
        )

    return tuple(_read(part, leaf) for part in form)


def _write(tree: Tree, leaf: Any) -> Json:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {"dict": {key: _write(value, leaf) for key, value in tree.items()}}
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [_write(value, leaf) for value in tree]}
    return leaf(tree)


def _read(stored: Json, leaf: Any) -> Tree:
    if stored is None:
        return None
    if "dict" in stored:
        return {key: _read(value, leaf) for key, value in stored["dict"].items()}
    if "list" in stored:
        return [_read(value, leaf) for value in stored["list"]]
    if "tuple" in stored:
        return tuple(_read(value, leaf) for value in stored["tuple"])
    return leaf(stored)
