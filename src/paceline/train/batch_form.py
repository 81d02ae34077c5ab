"""The form of a training batch as plain JSON, so that a model can be built again where the data are
not at hand.

A model that declares no input shape has no variables before it sees a batch; of that batch only the
structure, the shapes and the types matter.
"""

from typing import Any

import jax
import numpy as np

from paceline.core.events import Json
from paceline.train.feed import Tree
from paceline.train.variables import Batch


def to_json(batch: Batch, rows_vary: bool) -> Json:
    """Shapes and types of a batch; ``rows_vary``: without the number of rows, which a configuration
    may choose.
    """

    def leaf(spec: Any) -> Json:
        return {
            "shape": [None if rows_vary else spec.shape[0], *spec.shape[1:]],
            "dtype": str(spec.dtype),
        }

    return [_written(part, leaf) for part in batch]


def from_json(form: Json, rows: int) -> Batch:
    """The batch back from `to_json`, with so many rows where their number was left out."""

    def leaf(stored: Json) -> Any:
        own, *rest = stored["shape"]
        return jax.ShapeDtypeStruct(
            (rows if own is None else own, *rest), np.dtype(stored["dtype"])
        )

    return tuple(_read(part, leaf) for part in form)


def _written(tree: Tree, leaf: Any) -> Json:
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {"dict": {key: _written(value, leaf) for key, value in tree.items()}}
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [_written(value, leaf) for value in tree]}
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
