"""The data of fits, by fold: each distinct set of arrays is held once, as the engine takes them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paceline.data.trees import Array, Tree, leaves, map_leaves, num_rows
from paceline.sklearn.recorded_fit import NetworkTraining
from paceline.train.array_feed import PooledData


class FoldData:
    """Collects the arrays of fits.

    Where a pipeline transforms the rows of each fold on its own, each fold has arrays of its own;
    where it does not, all folds are rows of the same arrays.
    """

    def __init__(self) -> None:
        self._trainings: list[NetworkTraining] = []
        self._rows: list[Array] = []
        self._of_fold: dict[int, list[int]] = {}

    def add(self, fold: int, training: NetworkTraining, rows: Array) -> int:
        """Adds the arrays of a fit; returns their number, that of earlier ones if these are equal.

        Args:
            fold: number of the fold.
            training: has the arrays.
            rows: numbers of the fold's training rows.
        """
        for number in self._of_fold.setdefault(fold, []):
            if _are_equal(self._trainings[number], training):
                return number
        number = len(self._trainings)
        self._trainings.append(training)
        self._rows.append(rows)
        self._of_fold[fold].append(number)
        return number

    def pooled(self) -> list[PooledData]:
        """The data by number; those of one form share arrays."""
        forms: dict[object, list[int]] = {}
        for number, training in enumerate(self._trainings):
            forms.setdefault(_form(training), []).append(number)
        found: dict[int, PooledData] = {}
        for numbers in forms.values():
            found |= dict.fromkeys(numbers, self._pool(numbers))
        return [found[number] for number in range(len(self._trainings))]

    def _pool(self, numbers: Sequence[int]) -> PooledData:
        trainings = [self._trainings[number] for number in numbers]
        train, places = _joined([one.arrays for one in trainings], [self._rows[n] for n in numbers])
        held_out = train
        cut = trainings[0].num_train
        splits = [(place[:cut], place[cut:]) for place in places]
        if trainings[0].validation is not None:
            parts = [one.validation or () for one in trainings]
            sizes = [num_rows(part[0]) for part in parts]
            held_out, own = _joined(parts, [np.arange(size) for size in sizes])
            splits = [(place, at) for place, at in zip(places, own, strict=True)]
        return PooledData.of(train, held_out, dict(zip(numbers, splits, strict=True)))


def _joined(
    parts: Sequence[tuple[Tree, ...]], rows: Sequence[Array]
) -> tuple[tuple[Tree, ...], list[Array]]:
    """Several sets of arrays as one, with the places of each set's rows in it.

    Args:
        parts: the sets, of one form.
        rows: the row numbers of each set in the data of the user. Rows of one number are held once
            if they are equal in all sets.
    """
    count = num_rows(parts[0][0])
    if all(len(one) == count for one in rows):
        scattered = _scattered(parts, rows)
        if scattered is not None:
            return scattered, list(rows)
    rest = [dict(leaves(part)) for part in parts]
    joined = map_leaves(lambda path, _: np.concatenate([one[path] for one in rest]), parts[0])
    return joined, [np.arange(count) + count * at for at in range(len(parts))]


def _scattered(parts: Sequence[tuple[Tree, ...]], rows: Sequence[Array]) -> tuple[Tree, ...] | None:
    """Arrays in which each row has its number; None if a row differs between the sets."""
    size = 1 + max(int(one.max(initial=0)) for one in rows)
    is_filled = np.zeros(size, bool)
    full = map_leaves(lambda _, leaf: np.zeros((size, *leaf.shape[1:]), leaf.dtype), parts[0])
    targets = dict(leaves(full))
    for part, own in zip(parts, rows, strict=True):
        known = is_filled[own]
        for path, leaf in leaves(part):
            if not np.array_equal(
                targets[path][own[known]], leaf[known], equal_nan=_is_float(leaf)
            ):
                return None
            targets[path][own] = leaf
        is_filled[own] = True
    return tuple(full)


def _form(training: NetworkTraining) -> object:
    """Equal for data that can share arrays, and then a program."""
    validation = training.validation
    parts = [training.arrays] if validation is None else [training.arrays, validation]
    specs = [tuple((path, leaf.shape, leaf.dtype) for path, leaf in leaves(part)) for part in parts]
    return training.num_train, tuple(specs)


def _are_equal(one: NetworkTraining, other: NetworkTraining) -> bool:
    if _form(one) != _form(other):
        return False
    return all(
        a is b or np.array_equal(a, b, equal_nan=_is_float(a)) for a, b in _pairs(one, other)
    )


def _pairs(one: NetworkTraining, other: NetworkTraining) -> Iterator[tuple[Array, Array]]:
    for mine, its in ((one.arrays, other.arrays), (one.validation or (), other.validation or ())):
        second: Mapping[str, Any] = dict(leaves(its)) if its else {}
        yield from ((leaf, second[path]) for path, leaf in (leaves(mine) if mine else ()))


def _is_float(leaf: Array) -> bool:
    return bool(leaf.dtype.kind == "f")
