"""Dividing rows at random into two parts, with equal shares of each class where that is
possible.
"""

import numpy as np

from paceline.core import InvalidInput, checks
from paceline.data.grouping import divide_groups
from paceline.data.trees import Array


def partition(
    num_rows: int,
    fraction: float,
    *,
    seed: int,
    stream: int,
    labels: Array | None,
    what: str,
    groups: Array | None = None,
) -> tuple[Array, Array, tuple[str, ...]]:
    """Row numbers of the rest and of the part, both ascending.

    Args:
        num_rows: rows to divide.
        fraction: share of the part, strictly between 0 and 1; rounded to at least one row.
        seed: the same seed gives the same parts.
        stream: keeps the draws for different purposes independent under one seed.
        labels: classes, int (num_rows,), of which both parts get equal shares; None for plain
            chance.
        what: the part's name in messages: ``"validation"``, ``"test"``.
        groups: of each row, shape (num_rows,): no group is in both parts; None for none.

    Raises:
        InvalidInput: a fraction that leaves nothing of either part, or a single group.
    """
    size = _size(num_rows, fraction, what)
    if groups is not None:
        return divide_groups(groups, fraction, seed=seed, stream=stream, labels=labels, what=what)
    random = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(stream,)))
    order = random.permutation(num_rows)
    notes: tuple[str, ...] = ()
    if labels is not None:
        counts, refusal = _shares(labels, size, random)
        if counts is not None:
            order = _front(order, labels, counts)
        else:
            notes = (f"The {what} part was drawn without equal shares of the classes: {refusal}.",)
    return np.sort(order[size:]), np.sort(order[:size]), notes


def last_rows(num_rows: int, fraction: float, what: str) -> tuple[Array, Array]:
    """Row numbers of the rest and of the part, which is the last rows; arguments and errors as of
    `partition`.
    """
    size = _size(num_rows, fraction, what)
    return np.arange(num_rows - size), np.arange(num_rows - size, num_rows)


def _size(num_rows: int, fraction: float, what: str) -> int:
    fraction = checks.fraction(what, fraction, also=", both excluded")
    size = max(1, round(fraction * num_rows))
    if size >= num_rows:
        raise InvalidInput(
            f"{what}={fraction:g} takes {size} of {num_rows} rows",
            expected="a fraction that leaves rows for training",
        )
    return size


def _shares(labels: Array, size: int, random: np.random.Generator) -> tuple[Array | None, str]:
    """How many rows of each class the part gets: its exact share rounded down, what is left by
    largest remainder.

    Every class keeps at least one row outside the part. None, with the reason, where that cannot
    be.
    """
    present, totals = np.unique(labels, return_counts=True)
    if len(present) < 2:
        return None, "all rows are of one class"
    if totals.min() < 2:
        return None, f"class {present[totals.argmin()]} has a single row"
    if min(size, len(labels) - size) < len(present):
        return (
            None,
            f"{min(size, len(labels) - size)} rows are fewer than the {len(present)} classes",
        )
    exact = totals * (size / len(labels))
    counts = np.floor(exact).astype(np.int64)
    ties = random.random(len(present))
    while (left := size - counts.sum()) > 0:
        is_open = counts < totals - 1  # the last row of a class stays with the rest
        first = np.lexsort((ties, counts - exact, ~is_open))
        counts[first[: min(left, is_open.sum())]] += 1
    return counts, ""


def _front(order: Array, labels: Array, counts: Array) -> Array:
    """``order`` with the part's share of each class moved to the front."""
    codes = np.unique(labels, return_inverse=True)[1][order]
    by_class = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[by_class], np.arange(len(counts)))
    rank = np.empty(len(order), dtype=np.int64)
    rank[by_class] = np.arange(len(order)) - starts[codes[by_class]]
    chosen = rank < counts[codes]
    return np.concatenate([order[chosen], order[~chosen]])
