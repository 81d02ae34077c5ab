"""Folds, and others of the same kind: what may be drawn anew is, what rests on an order is not."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection as ms

from paceline.core import InvalidInput
from paceline.data import load, split
from paceline.data.folds import (
    GivenFolds,
    fold_parts,
    folds_of,
    name_of,
    order_of,
    other_folds,
    rebuilt,
    repeated_folds,
)
from paceline.data.records import Split

ROWS = 60
GROUPS = np.repeat(np.arange(12), 5)


def rows(groups: Any = None) -> Split:
    rng = np.random.default_rng(0)
    return split(
        load((rng.normal(size=(ROWS, 2)), rng.integers(0, 2, ROWS)), groups=groups),
        validation=0.25,
        seed=1,
    )


class Blocks:
    """A splitter of somebody's own, with no base class: it trains on one block of rows and
    validates on the next.
    """

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        yield from pairwise(np.array_split(np.arange(len(X)), 4))


class Drawing(Blocks):
    """One that draws, under a name of its own for the seed."""

    def __init__(self, random_seed: int | None = None) -> None:
        self.random_seed = random_seed

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        order = np.random.default_rng(self.random_seed).permutation(len(X))
        yield order[20:], order[:20]


DRAWN = {
    "number": (5, None),
    "number with groups": (4, GROUPS),
    "KFold": (ms.KFold(5, shuffle=True, random_state=0), None),
    "StratifiedKFold": (ms.StratifiedKFold(5, shuffle=True, random_state=0), None),
    "GroupKFold": (ms.GroupKFold(4), GROUPS),
    "GroupKFold, shuffled": (ms.GroupKFold(4, shuffle=True, random_state=0), GROUPS),
    "StratifiedGroupKFold": (ms.StratifiedGroupKFold(4), GROUPS),
    "ShuffleSplit": (ms.ShuffleSplit(3, test_size=0.2, random_state=0), None),
    "StratifiedShuffleSplit": (ms.StratifiedShuffleSplit(3, test_size=0.2, random_state=0), None),
    "GroupShuffleSplit": (ms.GroupShuffleSplit(3, test_size=0.25, random_state=0), GROUPS),
    "RepeatedKFold": (ms.RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), None),
    "RepeatedStratifiedKFold": (
        ms.RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        None,
    ),
    "without a seed": (ms.ShuffleSplit(3), None),
    "a random state": (ms.ShuffleSplit(3, random_state=np.random.RandomState(0)), None),
    "of one's own": (Drawing(5), None),
}
FIXED = {
    "KFold": (ms.KFold(5), None),
    "StratifiedKFold": (ms.StratifiedKFold(5), None),
    "TimeSeriesSplit": (ms.TimeSeriesSplit(4, gap=2), None),
    "LeaveOneOut": (ms.LeaveOneOut(), None),
    "LeaveOneGroupOut": (ms.LeaveOneGroupOut(), GROUPS),
    "one fold for each group": (ms.GroupKFold(12), GROUPS),
    "PredefinedSplit": (ms.PredefinedSplit(np.arange(ROWS) % 3 - 1), None),
    "given one by one": (
        [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))],
        None,
    ),
    "a generator": (ms.KFold(3).split(np.zeros(ROWS)), None),
    "of one's own": (Blocks(), None),
}


def contents(parts: Any) -> set[tuple[bytes, bytes]]:
    return {(train.tobytes(), held_out.tobytes()) for train, held_out in parts}


@pytest.mark.parametrize("kind", DRAWN)
def test_drawn_folds_are_drawn_anew(kind: str) -> None:
    folds, groups = DRAWN[kind]
    own = fold_parts(rows(groups), folds, 1)
    others = other_folds(rows(groups), folds, range(100, 100 + 2 * len(own) + 1))
    assert others is not None
    assert len(others) == 2 * len(own) + 1
    first, second = others[: len(own)], others[len(own) : 2 * len(own)]
    assert len({frozenset(contents(drawn)) for drawn in (own, first, second)}) == 3
    shorter = other_folds(rows(groups), folds, [100, 101])
    assert shorter is not None
    assert [part.tolist() for part in shorter[1]] == [part.tolist() for part in others[1]]
    for train, held_out in others:
        assert not set(train) & set(held_out)
        assert abs(len(held_out) - np.mean([len(one) for _, one in own])) <= 5
        if groups is not None:
            assert not set(groups[train]) & set(groups[held_out])
    if (
        "Repeated" not in kind and "Fold" in kind
    ) or "number" in kind:  # one drawing validates with every row once
        assert sorted(np.concatenate([held_out for _, held_out in first])) == list(range(ROWS))


@pytest.mark.parametrize("kind", DRAWN)
def test_repeats_are_on_other_folds_of_the_same_kind(kind: str) -> None:
    folds, groups = DRAWN[kind]
    drawn = repeated_folds(rows(groups), folds, [1, 2, 3])
    assert len({frozenset(contents(parts)) for parts in drawn}) == 3
    assert {len(parts) for parts in drawn} == {len(drawn[0])}
    if kind != "a random state":
        assert contents(drawn[0]) == contents(fold_parts(rows(groups), folds, 1))
        again = repeated_folds(rows(groups), folds, [1, 3])[1]
        assert [train.tolist() for train, _ in drawn[2]] == [train.tolist() for train, _ in again]


@pytest.mark.parametrize("kind", FIXED)
def test_ordered_folds_are_unchanged(kind: str) -> None:
    folds, groups = FIXED[kind]
    folds = folds_of(folds)
    own = fold_parts(rows(groups), folds, 1)
    assert contents(fold_parts(rows(groups), folds, 2)) == contents(own)
    assert other_folds(rows(groups), folds, range(3)) is None
    assert [contents(parts) for parts in repeated_folds(rows(groups), folds, [1, 2])] == [
        contents(own)
    ] * 2


@pytest.mark.parametrize("kind", DRAWN)
def test_the_same_seed_gives_the_same_folds(kind: str) -> None:
    folds, groups = DRAWN[kind]
    if kind == "a random state":  # it continues from its current state, which is up to the user
        return
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    assert contents(fold_parts(rows(groups), folds, 1)) == contents(
        fold_parts(rows(groups), folds, 1)
    )
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


@pytest.mark.parametrize(
    "kind", ["KFold", "TimeSeriesSplit", "LeaveOneOut", "one fold for each group"]
)
def test_splitters_of_scikit_learn_are_rebuilt_from_their_names(kind: str) -> None:
    folds, groups = FIXED[kind]
    again = rebuilt(name_of(folds))
    assert type(again) is type(folds)
    assert contents(fold_parts(rows(groups), again, 1)) == contents(
        fold_parts(rows(groups), folds, 1)
    )


def test_other_splitters_are_not_rebuilt() -> None:
    for name in DRAWN:
        folds = DRAWN[name][0]
        again = None if isinstance(folds, int) else rebuilt(name_of(folds))
        assert (again is None) == (
            name in ("number", "number with groups", "a random state", "of one's own")
        )
    names = [
        "PredefinedSplit(test_fold=array([0, 1]))",
        "GridSearchCV(estimator=None, param_grid={})",
        "3",
        "open('x')",
        "KFold(n_splits=__import__('os'))",
        "KFold(n_splits=1)",
        "KFold(n_splits=5",
        "train_test_split()",
    ]
    assert [rebuilt(name) for name in names] == [None] * len(names)


def test_a_users_splitter_is_not_changed() -> None:
    splitter = ms.GroupKFold(4)
    other_folds(rows(GROUPS), splitter, range(9))
    assert (splitter.shuffle, splitter.random_state) == (False, None)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_the_first_few_folds_are_spread_over_all(num_folds: int, few: int) -> None:
    order = order_of(num_folds)
    assert sorted(order) == list(range(num_folds))
    ends = [-1, *sorted(order[:few]), num_folds]
    assert max(np.diff(ends)) <= max(2, 3.2 * num_folds / (min(few, num_folds) + 1))


@pytest.mark.parametrize(
    ("folds", "groups", "said"),
    [
        (
            [(np.arange(40), np.arange(39, 60))],
            None,
            "folds is a list of pairs: row 39 is in both parts of fold 1",
        ),
        (
            [(np.arange(40), np.arange(40, 61))],
            None,
            "rows up to 60; expected row numbers below 60",
        ),
        ([(np.arange(40), [])], None, "fold 1 has no validation rows"),
        ([], None, "returns no fold"),
        ([(np.arange(40), np.arange(40, 60), 3)], None, "folds contains"),
        ([(np.arange(40) / 2, np.arange(40, 60))], None, "expected row numbers"),
        (
            ms.KFold(5, shuffle=True, random_state=0),
            GROUPS,
            "which is|group 0 is in both parts of fold 1",
        ),
        (ms.PredefinedSplit(np.arange(70) % 3), None, "expected row numbers below 60"),
        (
            ms.GroupKFold(5),
            None,
            "and groups is not given; expected groups=..., the group of each row.",
        ),
        (ms.StratifiedGroupKFold(5), None, "groups is not given"),
        (ms.LeaveOneGroupOut(), None, "groups is not given"),
        (ms.KFold(61), None, "number of samples: n_samples=60; expected"),
        (61, None, "folds is 61"),
        ("five", None, "folds is 'five'"),
        (ms.KFold, None, "folds"),
    ],
)
def test_impossible_folds_are_refused(folds: Any, groups: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        fold_parts(rows(groups), folds_of(folds), 1)
    assert ".;" not in str(refused.value)


def test_boolean_rows_are_accepted() -> None:
    held_out = np.arange(ROWS) % 3 == 0
    ((train, part),) = fold_parts(rows(), folds_of([(~held_out, held_out)]), 1)
    assert part.tolist() == list(range(0, ROWS, 3))
    assert len(train) == 40


def test_names_are_the_same_in_every_process() -> None:
    assert name_of(Blocks()) == name_of(Blocks())
    assert "0x" not in name_of(ms.KFold(5, shuffle=True, random_state=np.random.RandomState(0)))
    pairs = [(np.arange(40), np.arange(40, 60))]
    assert name_of(folds_of(pairs)) == name_of(GivenFolds(iter(pairs)))
    assert name_of(folds_of(pairs)) != name_of(GivenFolds([(np.arange(41), np.arange(41, 60))]))
