"""What is done to inputs before a network sees them: gaps filled, categories as features, shift and scale."""

import numpy as np

from paceline.data import tables
from paceline.data.records import Dataset, Standardization
from paceline.data.trees import Array, Tree, leaves, map_leaves


def features(dataset: Dataset, x: Tree | None, medians: Array | None) -> Tree | None:
    """A table's matrix as features, still float64; anything else as it is."""
    return x if x is None or medians is None else tables.to_features(x, dataset.columns, medians)


def scaled(x: Tree | None, fitted: Standardization | None) -> Tree | None:
    """Standardised, and in any case no longer float64."""
    if x is None or fitted is not None:
        return None if x is None or fitted is None else fitted.apply(x)
    return map_leaves(lambda _, leaf: leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf, x)


def fit(x: Tree, dataset: Dataset, standardize: bool | None) -> Standardization | None:
    """Mean and scale of every float input that is to be standardised; None if there is none."""
    if standardize is False:
        return None
    if dataset.columns:
        mean, scale = _moments(x)
        numeric = np.asarray([column.kind == "numeric" for column in dataset.columns for _ in column.features])
        return Standardization(np.where(numeric, mean, np.float32(0)), np.where(numeric, scale, np.float32(1)))
    moments = {
        path: _moments(leaf) if leaf.dtype == np.float32 and (standardize or leaf.ndim == 2) else (None, None)
        for path, leaf in leaves(x)
    }
    if all(mean is None for mean, _ in moments.values()):
        return None
    means = map_leaves(lambda path, _: moments[path][0], x)
    return Standardization(means, map_leaves(lambda path, _: moments[path][1], x))


def fit_like(other: Standardization, x: Tree) -> Standardization:
    """Mean and scale of the inputs that another standardisation of the same data set shifts and scales."""
    known = dict(leaves(other.mean))
    moments = {path: _moments(leaf) if known[path] is not None else (None, None) for path, leaf in leaves(x)}
    means = map_leaves(lambda path, _: moments[path][0], x)
    return Standardization(means, map_leaves(lambda path, _: moments[path][1], x))


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation over the rows, float32 of one row's shape; 1 in place of a deviation of nought.

    What counts as nought is scikit-learn's bound of the rounding error of the variance
    (`sklearn.preprocessing._data._is_constant_feature`).
    """
    mean = x.mean(axis=0, dtype=np.float64)
    variance = np.square(x - mean).mean(axis=0, dtype=np.float64)
    rounding = np.finfo(np.float64).eps * len(x)
    constant = variance <= rounding * variance + np.square(rounding * mean)
    scale = np.sqrt(variance)
    scale = np.where(constant | (scale < np.finfo(np.float32).tiny), 1.0, scale)
    return mean.astype(np.float32), scale.astype(np.float32)
