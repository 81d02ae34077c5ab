"""Random partition of rows into two parts, stratified by class if possible."""

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
    """Row numbers of the rest and of the part, both ascending, and notes.

    Args:
        num_rows: number of rows.
        fraction: of the part, strictly between 0 and 1; rounded to at least one row.
        seed: equal seeds give equal parts.
        stream: makes draws for different purposes independent with one seed.
        labels: classes, int (num_rows,), by which to stratify; None for no stratification.
        what: the part's name in messages: ``"validation"``, ``"test"``.
        groups: of each row, shape (num_rows,): no group is in both parts; None for none.

    Raises:
        InvalidInput: a fraction that leaves a part empty, or a single group.
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
            notes = (f"The {what} part was drawn without stratification: {refusal}.",)
    return np.sort(order[size:]), np.sort(order[:size]), notes


def last_rows(num_rows: int, fraction: float, what: str) -> tuple[Array, Array]:
    """As `partition`, but the part consists of the last rows."""
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
    """Number of rows of each class in the part, by the largest remainder method.

    Every class keeps at least one row outside the part. None, with the reason, if that is
    impossible.
    """
    present, totals = np.unique(labels, return_counts=True)
    if len(present) < 2:
        return None, "all rows belong to one class"
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
        is_open = counts < totals - 1  # the last row of a class stays in the rest
        first = np.lexsort((ties, counts - exact, ~is_open))
        counts[first[: min(left, is_open.sum())]] += 1
    return counts, ""


def _front(order: Array, labels: Array, counts: Array) -> Array:
    """``order`` with the part's rows of each class moved to the front."""
    codes = np.unique(labels, return_inverse=True)[1][order]
    by_class = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[by_class], np.arange(len(counts)))
    rank = np.empty(len(order), dtype=np.int64)
    rank[by_class] = np.arange(len(order)) - starts[codes[by_class]]
    chosen = rank < counts[codes]
    return np.concatenate([order[chosen], order[~chosen]])
