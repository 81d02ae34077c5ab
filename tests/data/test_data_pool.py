"""Several splits as row numbers of one pool: each is prepared exactly as a split of its own would
be.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection

from paceline.core import InvalidInput
from paceline.data import load, split
from paceline.data.folds import fold_parts
from paceline.data.pool import fresh_parts, pool_of
from paceline.data.records import Split
from paceline.data.trees import leaves, take


def table(rows: int = 60) -> Split:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(5, 3, rows)),
            "kind": rng.choice(["a", "b", "c"], rows),
            "price": rng.normal(size=rows),
        }
    )
    return split(load(frame, target="price", test=0.2), validation=0.25, seed=1)


def images(rows: int = 40) -> Split:
    rng = np.random.default_rng(4)
    x = rng.random((rows, 3, 3)).astype("float32")
    return split(load((x, np.arange(rows) % 4)), validation=0.25, seed=1, standardize=False)


def inputs(rows: int = 40) -> Split:
    rng = np.random.default_rng(5)
    x = {
        "picture": rng.random((rows, 3, 3)).astype("float32"),
        "facts": rng.normal(7, 2, (rows, 2)).astype("float32"),
    }
    return split(load((x, rng.normal(size=rows))), validation=0.25, seed=1)


@pytest.mark.parametrize("make", [table, images, inputs])
def test_a_pool_contains_the_same_as_a_split(make: Any) -> None:
    own = make()
    assert own.val_rows is not None
    other = fresh_parts(own, [8])
    assert other is not None
    pool = pool_of(own, [(own.train_rows, own.val_rows), *other])
    train, held_out = pool.parts[0]
    for mine, theirs in ((take(pool.x, train), own.x_train), (take(pool.x, held_out), own.x_val)):
        for (path, a), (_, b) in zip(leaves(mine), leaves(theirs), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=path)
    np.testing.assert_array_equal(take(pool.y, held_out), own.y_val)


def test_parameters_are_fitted_to_each_training_part() -> None:
    own = table()
    parts = fresh_parts(own, [8, 9])
    assert parts is not None
    pool = pool_of(own, parts)
    for train, held_out in pool.parts:
        numeric = take(pool.x, train)[:, 0]
        assert abs(numeric.mean()) < 1e-5
        assert abs(take(pool.x, held_out)[:, 0].mean()) > 1e-3


def test_fresh_parts_have_the_same_sizes_and_shares_of_each_class() -> None:
    own = images()
    parts = fresh_parts(own, range(5))
    assert parts is not None
    assert own.val_rows is not None
    assert len({tuple(held_out) for _, held_out in parts}) == 5
    for train, held_out in parts:
        assert len(held_out) == len(own.val_rows)
        assert sorted([*train, *held_out]) == list(range(40))
        assert (
            np.bincount(own.dataset.y[held_out]).max() - np.bincount(own.dataset.y[held_out]).min()
            <= 1
        )


def test_given_validation_data_have_no_fresh_splits() -> None:
    x, y = np.random.default_rng(0).random((20, 2)), np.arange(20.0)
    assert fresh_parts(split(load((x, y)), validation=(x[:5], y[:5])), [1]) is None


def test_folds_are_those_of_scikit_learn() -> None:
    own = images()
    expected = model_selection.StratifiedKFold(4, shuffle=True, random_state=7)
    found = fold_parts(own, 4, seed=7)
    for (train, held_out), (a, b) in zip(
        found, expected.split(np.zeros(40), own.dataset.y), strict=True
    ):
        np.testing.assert_array_equal(train, a)
        np.testing.assert_array_equal(held_out, b)
    repeated = model_selection.RepeatedKFold(n_splits=3, n_repeats=2, random_state=1)
    assert len(fold_parts(own, repeated, seed=0)) == 6


def test_groups_stay_together() -> None:
    groups = np.arange(40) // 5
    own = split(
        load((np.zeros((40, 2), "float32"), np.arange(40) % 4), groups=groups),
        validation=0.25,
        seed=1,
    )
    for train, held_out in fold_parts(own, 4, seed=7):
        assert not set(groups[train]) & set(groups[held_out])


@pytest.mark.parametrize("folds", [1, 2.5, True, "five", 41])
def test_impossible_folds_are_refused(folds: Any) -> None:
    with pytest.raises(InvalidInput, match="folds is"):
        fold_parts(images(), folds, seed=0)
