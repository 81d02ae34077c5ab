"""Several splits of one data set as row numbers into one pool; random new splits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from paceline.data import preparation_fit, targets
from paceline.data.folds import Parts
from paceline.data.partition import partition
from paceline.data.records import Split
from paceline.data.trees import Array, Tree, leaves, map_leaves, take

_FRESH_STREAM = 3  # of random numbers; `splits` and `loading` use others


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The rows used by several splits, prepared for each of them.

    If anything is fitted to training rows (medians, mean and scale), each split has a copy of the
    rows; otherwise all share one.

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
    """The pool of several splits of a data set, prepared in the same way as ``split``.

    Args:
        split: the study's own split.
        parts: row numbers of the data set, outside its test set.
    """
    dataset = split.dataset
    if split.preparation is None or not split.preparation.is_fitted:
        x = dataset.x if split.preparation is None else split.preparation.apply(dataset.x)
        return Pool(x, dataset.y, dataset.sample_weight, tuple(parts))
    blocks = [_prepared(split, train) for train, _ in parts]
    count, repeats = dataset.num_rows, len(parts)
    moved = tuple(
        (train + i * count, held_out + i * count) for i, (train, held_out) in enumerate(parts)
    )
    x = map_leaves(
        lambda path, _: np.concatenate([dict(leaves(block))[path] for block in blocks]), blocks[0]
    )
    y = map_leaves(lambda _, leaf: np.concatenate([leaf] * repeats), dataset.y)
    weight = None if dataset.sample_weight is None else np.tile(dataset.sample_weight, repeats)
    return Pool(x, y, weight, moved)


def fresh_parts(split: Split, seeds: Iterable[int]) -> tuple[Parts, ...] | None:
    """New random splits into training and validation part, of the same sizes.

    None if validation data were given or the rows are in the order of time: then only one split
    exists.
    """
    dataset = split.dataset
    if split.val_rows is None or not split.shuffle:
        return None
    share = len(split.val_rows) / dataset.num_rows
    labels = targets.labels(dataset.y, dataset.task)
    parts = []
    for seed in seeds:
        train, held_out, _ = partition(
            dataset.num_rows,
            share,
            seed=seed,
            stream=_FRESH_STREAM,
            labels=labels,
            what="validation",
            groups=dataset.groups,
        )
        parts.append((train, held_out))
    return tuple(parts)


def _prepared(split: Split, train_rows: Array) -> Tree:
    """All rows, prepared by parameters fitted to these training rows."""
    x = split.dataset.x
    fitted = preparation_fit.fit(take(x, train_rows), split.dataset, split.how)
    return x if fitted is None else fitted.apply(x)
