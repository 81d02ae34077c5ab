"""Fitting of the preparation of inputs to a training part."""

import numpy as np

from paceline.data.preparation import How, Preparation, Scaling, TableFeatures
from paceline.data.records import Dataset, starts_of
from paceline.data.texts import fit_texts
from paceline.data.trees import Array, Tree, leaves

_BYTE = 255.0
_ZERO = np.float32(0)


def fit(x: Tree, dataset: Dataset, how: How) -> Preparation | None:
    """Fits the preparation of inputs; None if they are used unchanged.

    Args:
        x: inputs of the training part, as in the data set.
        dataset: where they come from.
        how: which inputs are shifted and scaled.
    """
    if dataset.columns:
        return _fit_table(x, dataset, how != "none")
    found = {}
    for path, leaf in leaves(x):
        if (
            leaf.dtype == np.uint8
            and leaf.ndim > 2
            and (dataset.has_pixels or how in ("columns", "features", "all"))
        ):
            found[path] = (np.asarray(_ZERO), np.asarray(np.float32(_BYTE)))
        elif leaf.dtype == np.float32 and _is_scaled(leaf, dataset, how):
            is_over_time = how == "features" and leaf.ndim == 3
            found[path] = _moments(leaf.reshape(-1, leaf.shape[-1]) if is_over_time else leaf)
    return Scaling(found) if found else None


def _is_scaled(leaf: Array, dataset: Dataset, how: How) -> bool:
    if how == "tables":
        return dataset.is_table
    if how == "features":
        return leaf.ndim in (2, 3)
    return how == "all" or (how == "columns" and leaf.ndim == 2)


def _fit_table(x: Array, dataset: Dataset, scale: bool) -> TableFeatures:
    """Medians, means and scales of a table's matrix, float32 (rows, columns)."""
    parts: list[tuple[int, float, float, float, float]] = []
    texts = []
    for index, column in zip(starts_of(dataset.columns), dataset.columns, strict=True):
        if column.has_texts:
            num_words = len(column.categories)
            texts.append(fit_texts(x, column.kind, index, column.width, num_words))
        elif column.kind == "categorical":
            parts += [(index, float(code), 0.0, 0.0, 1.0) for code in range(len(column.categories))]
        elif column.kind == "coded":  # an unknown category gets the index behind the known ones
            parts.append((index, np.nan, float(len(column.categories)), 0.0, 1.0))
        elif column.kind == "numeric":
            cells = x[:, index]
            present = cells[np.isfinite(cells)]
            fill = np.float32(np.median(present) if len(present) else 0.0)
            mean, deviation = (
                _moments(np.where(np.isfinite(cells), cells, fill)) if scale else (_ZERO, 1.0)
            )
            parts.append((index, np.nan, float(fill), float(mean), float(deviation)))
    columns = np.asarray([part[0] for part in parts], np.int32)
    numbers = np.asarray([part[1:] for part in parts], np.float32).reshape(-1, 4)
    code, fills, means, scales = numbers.T.copy()
    return TableFeatures(columns, code, fills, means, scales, x.shape[1], tuple(texts))


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation over the rows, float32 of one row's shape; 1 instead of 0.

    A deviation within scikit-learn's bound of the rounding error of the variance counts as 0
    (`sklearn.preprocessing._data._is_constant_feature`).
    """
    mean = x.mean(axis=0, dtype=np.float64)
    variance = np.square(x - mean).mean(axis=0, dtype=np.float64)
    rounding = np.finfo(np.float64).eps * len(x)
    constant = variance <= rounding * variance + np.square(rounding * mean)
    scale = np.sqrt(variance)
    scale = np.where(constant | (scale < np.finfo(np.float32).tiny), 1.0, scale)
    return np.asarray(mean, dtype=np.float32), np.asarray(scale, dtype=np.float32)
