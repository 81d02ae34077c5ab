"""Preparation of inputs for a network, with parameters that were fitted to a training part.

All arithmetic is in float32, so that Keras layers with the same parameters
(`paceline.study.models.preprocessing`) give the same features, to the last bit or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paceline.data.texts import TextFeatures
from paceline.data.trees import Array, Tree, map_leaves

_LARGEST = np.finfo(np.float32).max

How = Literal["none", "tables", "columns", "features", "all"]
"""Which inputs are shifted and scaled: none; those of tables; also floats with two axes and bytes
that are images; also floats with three axes, each feature over rows and time; all floats, position
by position, and all bytes that are images."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Shift and scale of inputs: ``(x - mean) / scale``.

    Attributes:
        of: mean and scale of each scaled input, float32, of the shape of a row, of its last axis or
            scalars, by the input's path in the tree of inputs (``""`` for a single one).
    """

    of: Mapping[str, tuple[Array, Array]]

    @property
    def is_fitted(self) -> bool:
        """Whether anything was fitted to training rows; the scaling of bytes was not."""
        return any(mean.ndim > 0 for mean, _ in self.of.values())

    def apply(self, x: Tree) -> Tree:
        """The inputs; scaled ones are float32.

        Args:
            x: inputs as in the training part, (rows, ...).
        """
        return map_leaves(
            lambda path, leaf: _scaled(leaf, *self.of[path]) if path in self.of else leaf, x
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        of = {path: [mean.tolist(), scale.tolist()] for path, (mean, scale) in self.of.items()}
        return {"kind": "scaling", "of": of}


@dataclass(frozen=True, slots=True, eq=False)
class TableFeatures:
    """Conversion of a table's rows to features: filling, one-hot encoding, shifting and scaling.

    C  columns of the table's matrix    F  features

    Attributes:
        column: int32 (F,), the column of each feature.
        code: float32 (F,), index of a category's feature in its column; NaN for numbers.
        fill: float32 (F,), the value for missing numbers.
        mean, scale: float32 (F,), shift and scale of numbers.
        num_columns: C.
        texts: features of columns of texts, which follow the others.
    """

    column: Array
    code: Array
    fill: Array
    mean: Array
    scale: Array
    num_columns: int
    texts: tuple[TextFeatures, ...] = ()

    @property
    def is_fitted(self) -> bool:
        """Whether anything was fitted to training rows."""
        return True

    def apply(self, x: Array) -> Array:
        """The features, float32 (rows, F), of a table's matrix, float32 (rows, C)."""
        cells = np.asarray(x, np.float32)[:, self.column]
        numbers = _scaled(np.where(np.isfinite(cells), cells, self.fill), self.mean, self.scale)
        own = np.where(np.isnan(self.code), numbers, (cells == self.code).astype(np.float32))
        if not self.texts:
            return own
        return np.concatenate([own, *(one.apply(np.asarray(x)) for one in self.texts)], axis=1)

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        arrays = {
            name: getattr(self, name).tolist() for name in ("column", "fill", "mean", "scale")
        }
        code = [None if np.isnan(code) else float(code) for code in self.code]
        texts = {"texts": [one.to_json() for one in self.texts]} if self.texts else {}
        return {"kind": "table", "num_columns": self.num_columns, "code": code, **arrays, **texts}


Preparation = Scaling | TableFeatures


def from_json(state: Mapping[str, Any] | None) -> Preparation | None:
    """The inverse of ``to_json``; None for None."""
    if state is None:
        return None
    if state["kind"] == "scaling":
        of = {
            path: tuple(np.asarray(one, np.float32) for one in pair)
            for path, pair in state["of"].items()
        }
        return Scaling({path: (mean, scale) for path, (mean, scale) in of.items()})
    code = np.asarray([np.nan if code is None else code for code in state["code"]], np.float32)
    fill, mean, scale = (np.asarray(state[name], np.float32) for name in ("fill", "mean", "scale"))
    column = np.asarray(state["column"], np.int32)
    texts = tuple(map(TextFeatures.from_json, state.get("texts", ())))
    return TableFeatures(column, code, fill, mean, scale, state["num_columns"], texts)


def _scaled(x: Array, mean: Array, scale: Array) -> Array:
    with np.errstate(over="ignore"):
        scaled = (np.asarray(x, np.float32) - mean) / scale
    return np.asarray(np.clip(scaled, -_LARGEST, _LARGEST), dtype=np.float32)
