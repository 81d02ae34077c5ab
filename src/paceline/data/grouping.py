"""Splits by groups of rows (patients, users, sites): each group is in one part only.

| symbol | meaning |
| --- | --- |
| n | rows of each class in each group, shape (groups, classes); one class if there are none |
| wanted, taken | rows of each class that the part should have, and has |
"""

from typing import Any

import numpy as np

from paceline.core import InvalidInput, shown
from paceline.data.trees import Array

_OFF = 0.1  # of the requested rows; a larger deviation is noted


def groups_of(given: Any, num_rows: int) -> Array:
    """The group of each row as an array of numbers or texts, shape (rows,).

    Raises:
        InvalidInput: not one for each row, or a missing one.
    """
    groups = np.asarray(given)
    if groups.shape != (num_rows,):
        raise InvalidInput(
            f"groups has shape {groups.shape}",
            expected=f"one group for each row, shape ({num_rows},)",
        )
    missing = [row for row, group in enumerate(groups.tolist()) if _is_missing(group)]
    if missing:
        raise InvalidInput(
            f"groups has no group in {len(missing):,} rows, first in row {missing[0]}",
            expected="one for each row",
            fix="Give each row without a group a group of its own.",
        )
    return groups.astype(str) if groups.dtype.kind not in "iubSU" else groups


def _is_missing(group: Any) -> bool:
    return type(group).__name__ in ("NoneType", "NAType", "NaTType") or (
        isinstance(group, float) and group != group
    )


def divide_groups(
    groups: Array, fraction: float, *, seed: int, stream: int, labels: Array | None, what: str
) -> tuple[Array, Array, tuple[str, ...]]:
    """Row numbers of the rest and of the part, both ascending, and notes; groups stay whole.

    Groups are visited in random order, and each is added if that brings the part nearer to its
    share of the rows of each class. Every class keeps rows outside the part, if possible.

    Args:
        groups: of each row, shape (rows,).
        fraction: of the part, strictly between 0 and 1.
        seed, stream, labels, what: as in `paceline.data.partition.partition`.

    Raises:
        InvalidInput: all rows belong to one group.
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise InvalidInput(
            f"all rows belong to the group {shown(names[0].item())}", expected="at least two groups"
        )
    classes = (
        np.zeros(len(groups), np.intp)
        if labels is None
        else np.unique(labels, return_inverse=True)[1]
    )
    n = np.zeros((len(names), int(classes.max()) + 1))
    np.add.at(n, (codes, classes), 1)
    wanted = fraction * n.sum(axis=0)
    random = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(stream,)))
    order = random.permutation(len(names))
    taken = _taken(n, wanted, order)
    notes: tuple[str, ...] = ()
    if not taken:  # every group has all rows of some class, or is far too large
        taken = [min(order.tolist(), key=lambda group: _away(n[group], wanted))]
        if labels is not None and np.any(n[taken[0]] == n.sum(axis=0)):
            notes = (
                f"All rows of a class are in the {what} part, since they belong to one group.",
            )
    part = np.flatnonzero(np.isin(codes, taken))
    size = max(1, round(fraction * len(groups)))
    if abs(len(part) - size) > _OFF * size:
        notes = (
            *notes,
            f"The {what} part has {len(part):,} rows, not {size:,}, since groups stay together.",
        )
    return np.flatnonzero(~np.isin(codes, taken)), part, notes


def _taken(n: Array, wanted: Array, order: Array) -> list[int]:
    """The groups of the part."""
    totals, sums, taken = n.sum(axis=0), np.zeros(n.shape[1]), list[int]()
    for group in order.tolist():
        with_it = sums + n[group]
        leaves_all = not np.any((with_it >= totals) & (n[group] > 0))
        if leaves_all and _away(with_it, wanted) < _away(sums, wanted):
            sums, taken = with_it, [*taken, group]
    return taken


def _away(taken: Array, wanted: Array) -> float:
    """Deviation of a part from its shares: the statistic of a chi-square test."""
    return float((((taken - wanted) ** 2) / wanted).sum())
