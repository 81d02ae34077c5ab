"""Several splits of one data set: fresh ones for the final, folds for cross-validation, as row numbers of one pool."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data import preparing, tables, targets
from paceline.data.partition import partition
from paceline.data.records import Split
from paceline.data.trees import Array, Tree, leaves, map_leaves, take

_FRESH_STREAM = 3  # of random numbers; `splits` and `loading` use others

Parts = tuple[Array, Array]
"""Row numbers of a training and a validation part."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Every row that some splits use, prepared for each of them by what its own training part says.

    Where something is fitted (medians, mean and scale), each split has a copy of the rows; else all share one.

    Attributes:
        x, y: the rows.
        sample_weight: of each row, or None.
        parts: row numbers of each split's training and validation part.
    """

    x: Tree
    y: Tree
    sample_weight: Array | None
    parts: tuple[Parts, ...]


def pool_of(split: Split, parts: Sequence[Parts]) -> Pool:
    """The pool of some splits of a data set, prepared as ``split`` is.

    Args:
        split: the study's own split.
        parts: row numbers of the data set, outside its test part.
    """
    dataset = split.dataset
    if not dataset.columns and split.standardization is None:
        plain = preparing.scaled(dataset.x, None)
        return Pool(plain, dataset.y, dataset.sample_weight, tuple(parts))
    blocks = [_prepared(split, train) for train, _ in parts]
    count, repeats = dataset.num_rows, len(parts)
    moved = tuple((train + i * count, held_out + i * count) for i, (train, held_out) in enumerate(parts))
    x = map_leaves(lambda path, _: np.concatenate([dict(leaves(block))[path] for block in blocks]), blocks[0])
    y = map_leaves(lambda _, leaf: np.concatenate([leaf] * repeats), dataset.y)
    weight = None if dataset.sample_weight is None else np.tile(dataset.sample_weight, repeats)
    return Pool(x, y, weight, moved)


def fresh_parts(split: Split, seeds: Iterable[int]) -> tuple[Parts, ...] | None:
    """New divisions into training and validation part, of the same sizes; None where validation data were given."""
    dataset = split.dataset
    if split.val_rows is None:
        return None
    share = len(split.val_rows) / dataset.num_rows
    labels = targets.labels(dataset.y, dataset.task)
    parts = []
    for seed in seeds:
        train, held_out, _ = partition(
            dataset.num_rows, share, seed=seed, stream=_FRESH_STREAM, labels=labels, what="validation"
        )
        parts.append((train, held_out))
    return tuple(parts)


def fold_parts(split: Split, folds: Any, seed: int, groups: Any = None) -> tuple[Parts, ...]:
    """The folds of cross-validation over all rows outside the test part.

    Args:
        split: the study's own split.
        folds: how many, shuffled, with equal shares of each class where rows have one; or a splitter of scikit-learn.
        seed: of the shuffling, where ``folds`` is a number.
        groups: of each row, shape (rows,): no group is on both sides of a fold.

    Raises:
        InvalidInput: folds that cannot be made of these rows.
    """
    dataset = split.dataset
    if split.val_rows is None:
        raise InvalidInput(
            "folds and validation data were both given", expected="one of them",
            fix="Leave validation out: each fold validates with rows of its own.",
        )  # fmt: skip
    labels = targets.labels(dataset.y, dataset.task)
    splitter = folds if hasattr(folds, "split") else _splitter(folds, seed, labels is not None, groups is not None)
    of_rows = labels if labels is not None else np.zeros(dataset.num_rows)
    try:
        found = list(splitter.split(np.zeros((dataset.num_rows, 1)), of_rows, groups))
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"folds is {folds!r}: {error}", expected="folds that these rows can be divided into"
        ) from None
    return tuple((np.sort(train), np.sort(held_out)) for train, held_out in found)


def _splitter(folds: Any, seed: int, has_labels: bool, has_groups: bool) -> Any:
    from sklearn import model_selection

    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise InvalidInput(
            f"folds is {folds!r}", expected="a whole number of at least 2, or a splitter of sklearn.model_selection"
        )
    if has_groups:
        kind = model_selection.StratifiedGroupKFold if has_labels else model_selection.GroupKFold
    else:
        kind = model_selection.StratifiedKFold if has_labels else model_selection.KFold
    return kind(folds, shuffle=True, random_state=seed % 2**32)


def _prepared(split: Split, train_rows: Array) -> Tree:
    """All rows, prepared by what these training rows say."""
    dataset = split.dataset
    medians = tables.fit_medians(take(dataset.x, train_rows), dataset.columns) if dataset.columns else None
    features = preparing.features(dataset, dataset.x, medians)
    own = take(features, train_rows)
    if split.standardization is None:
        return preparing.scaled(features, None)
    fitted = preparing.fit(own, dataset, None) if dataset.columns else preparing.fit_like(split.standardization, own)
    return preparing.scaled(features, fitted)
