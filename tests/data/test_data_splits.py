"""Splits: rows, strata, standardisation, and that nothing leaks out of the training part."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

from paceline.core import InvalidInput
from paceline.data import Scaling, load, preparation, prepare, split
from paceline.data.splits import split_with
from paceline.data.trees import leaves

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(3, 5, (200, 4))
Y = RANDOM.choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])


@settings(max_examples=60, deadline=None)
@given(
    labels=hnp.arrays(np.int64, st.integers(4, 120), elements=st.integers(0, 4)),
    fraction=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**32),
)
def test_parts_cover_all_rows_once_and_strata_have_their_shares(
    labels: Array, fraction: float, seed: int
) -> None:
    num_val = max(1, round(fraction * len(labels)))
    if len(np.unique(labels)) < 2 or num_val >= len(labels):
        return
    data = load((np.arange(float(len(labels)))[:, None], labels))
    parts = split(data, validation=fraction, seed=seed, standardize=False)
    assert parts.val_rows is not None
    assert sorted([*parts.train_rows, *parts.val_rows]) == list(range(len(labels)))
    assert len(parts.val_rows) == num_val
    np.testing.assert_array_equal(parts.x_val[:, 0], parts.val_rows)
    np.testing.assert_array_equal(parts.y_train, data.y[parts.train_rows])
    if not parts.notes:
        classes = np.arange(data.num_classes or 0)
        totals, share = (
            np.array([(y == c).sum() for c in classes]) for y in (data.y, data.y[parts.val_rows])
        )
        assert np.all(share < totals)
        assert np.any(share == totals - 1) or np.all(
            np.abs(share - totals * num_val / len(labels)) < 1
        )


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_strata_agree_with_scikit_learn(fraction: float) -> None:
    parts = split(load((X, Y)), validation=fraction)
    ((_, theirs),) = StratifiedShuffleSplit(1, test_size=fraction, random_state=0).split(X, Y)
    counts = [np.bincount(labels, minlength=4) for labels in (parts.y_val, Y[theirs])]
    assert np.abs(counts[0] - counts[1]).max() <= 1


def test_standardization_agrees_with_scikit_learn() -> None:
    constant = np.column_stack([X, np.full(200, 0.1), np.full(200, 1e6), X[:, 0] * 1e-12])
    data = load((constant, Y, constant[:20], Y[:20]))
    parts = split(data, validation=0.2, standardize=True)
    theirs = StandardScaler().fit(data.x[parts.train_rows].astype(np.float64))
    assert isinstance(parts.preparation, Scaling)
    mean, scale = parts.preparation.of[""]
    assert mean.dtype == scale.dtype == np.float32
    np.testing.assert_allclose(mean, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(scale, theirs.scale_, rtol=1e-6)
    assert parts.val_rows is not None
    for ours, rows in (
        (parts.x_train, data.x[parts.train_rows]),
        (parts.x_val, data.x[parts.val_rows]),
        (parts.x_test, data.x_test),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(
            ours, theirs.transform(rows.astype(np.float64)), rtol=1e-4, atol=1e-5
        )


@settings(max_examples=50, deadline=None)
@given(
    x=hnp.arrays(
        np.float32,
        st.tuples(st.integers(4, 30), st.integers(1, 4)),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    )
)
def test_standardized_inputs_are_always_finite(x: Array) -> None:
    data = load((x, np.arange(len(x)) % 2))
    parts = split(data, validation=0.25, stratify=False, standardize=True)
    for part in (parts.x_train, parts.x_val):
        assert np.isfinite(part).all()


def test_parameters_depend_on_training_rows_alone() -> None:
    data = load((X, Y), test=0.2)
    before = split(data, standardize=True)
    outside = np.setdiff1d(np.arange(data.num_rows), before.train_rows)
    data.x[outside] += 1e3
    data.x_test[:] -= 1e3
    after = split(data, standardize=True)
    np.testing.assert_array_equal(before.x_train, after.x_train)
    np.testing.assert_array_equal(before.train_rows, after.train_rows)


def test_tables_are_prepared_and_arrays_are_unchanged() -> None:
    labels = np.arange(200) % 2
    frame = pd.DataFrame(X, columns=list("abcd"))
    plain = split(load((X, labels)))
    assert plain.preparation is None
    np.testing.assert_array_equal(plain.x_train, X[plain.train_rows].astype(np.float32))
    forms = [
        split(load(source, target=target))
        for source, target in (((frame, labels), None), (frame.assign(y=labels), "y"))
    ]
    for parts in forms:
        np.testing.assert_allclose(parts.x_train.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(parts.x_train.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(forms[0].x_train, forms[1].x_train)
    assert forms[0].fingerprint == forms[1].fingerprint
    as_they_are = split(load((frame, labels)), standardize=False)
    np.testing.assert_array_equal(as_they_are.x_train, plain.x_train)


def test_arrays_are_standardized_on_request() -> None:
    images, labels = RANDOM.random((20, 4, 4)), np.arange(20) % 2
    assert split(load((X.astype(int), Y)), standardize=True).preparation is None
    forced = split(load((images, labels)), standardize=True).preparation
    assert isinstance(forced, Scaling)
    assert forced.of[""][0].shape == (4, 4)
    inputs = {"image": images, "table": images[:, 0], "tokens": np.ones((20, 3), int)}
    mixed = split_with("columns", load((inputs, labels)))
    np.testing.assert_allclose(mixed.x_train["table"].mean(axis=0), 0, atol=1e-6)
    assert mixed.x_train["tokens"].dtype == np.int32
    assert mixed.x_train["image"].max() <= 1
    listed = split(load(([images[:, 0], np.ones((20, 3), int)], labels)), standardize=True)
    np.testing.assert_allclose(listed.x_train[0].mean(axis=0), 0, atol=1e-6)


def test_preparations_go_to_json_and_back() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0, 4.0] * 5, "b": ["u", "v", "u", "w"] * 5})
    labels = np.arange(20) % 2
    images = (RANDOM.random((20, 4, 4)) * 255).astype(np.uint8)
    inputs = {"image": images, "table": X[:20]}
    for source in ((frame, labels), (inputs, labels)):
        data = load(source)
        parts = split(data, standardize=True)
        assert parts.preparation is not None
        again = preparation.from_json(json.loads(json.dumps(parts.preparation.to_json())))
        assert again is not None
        for mine, theirs in zip(
            leaves(again.apply(data.x)), leaves(parts.preparation.apply(data.x)), strict=True
        ):
            np.testing.assert_array_equal(mine[1], theirs[1])


def test_the_last_rows_validate_where_rows_are_in_the_order_of_time() -> None:
    data = load((X, Y), test=0.2, shuffle=False)
    np.testing.assert_array_equal(data.x_test, X[160:].astype(np.float32))
    parts = split(data, validation=0.25, shuffle=False)
    assert parts.val_rows is not None
    assert (parts.train_rows.tolist(), parts.val_rows.tolist()) == (
        list(range(120)),
        list(range(120, 160)),
    )
    np.testing.assert_array_equal(parts.x_val, X[120:160].astype(np.float32))
    assert parts.fingerprint != split(data, validation=0.25).fingerprint
    for wrong in ({"shuffle": "no"}, {"shuffle": 1}):
        with pytest.raises(InvalidInput, match="shuffle is"):
            load((X, Y), **wrong)


def test_splits_follow_from_the_seed() -> None:
    data = load((X, Y))
    assert split(data, seed=1).fingerprint == split(data, seed=1).fingerprint
    prints = {split(data, seed=seed).fingerprint for seed in range(10)}
    assert len(prints) == 10
    assert split(data, standardize=True).fingerprint not in prints
    # The test part and the validation part drawn under one seed are independent draws.
    drawn = load((np.arange(1000.0), np.tile([0.5, 1.5], 500)), test=0.5, seed=3)
    parts = split(
        load((np.arange(1000.0), np.tile([0.5, 1.5], 500))),
        validation=0.5,
        seed=3,
        standardize=False,
    )
    shared = np.intersect1d(drawn.x_test, parts.x_val)
    assert (
        180 < len(shared) < 320
    )  # 250 expected, standard deviation 8: by chance once in 1e15 runs


def test_small_classes_fall_back_with_a_note() -> None:
    labels = np.array([0] * 10 + [1] * 9 + [2])
    parts = split(load((np.arange(20.0), labels)), validation=0.2)
    assert (
        parts.notes[0] == "The validation part was drawn without stratification: class 2 has a "
        "single row."
    )
    few = split(load((np.arange(20.0), np.arange(20) % 10)), validation=0.1)
    assert "2 rows are fewer than the 10 classes" in few.notes[0]
    assert (
        split(
            load((np.arange(20.0), labels)), validation=0.2, stratify=False, standardize=False
        ).notes
        == ()
    )


def test_given_validation_data() -> None:
    data = load((X, Y.astype(str)), sample_weight=np.ones(200))
    parts = split(data, validation=(X[:10], Y[:10]))
    assert (len(parts.x_train), len(parts.x_val), parts.val_rows) == (200, 10, None)
    np.testing.assert_array_equal(parts.y_val, Y[:10])
    assert parts.sample_weight_train is not None
    assert parts.sample_weight_val is None
    np.testing.assert_allclose(parts.x_val, parts.x_train[:10])
    np.testing.assert_array_equal(prepare(parts, X[:10]), parts.x_val)
    assert parts.fingerprint != split(data, validation=(X[:9], Y[:9])).fingerprint


def test_weights_and_one_hot_targets_follow_their_rows() -> None:
    parts = split(load((X, np.eye(4)[Y]), sample_weight=np.arange(200)), validation=0.3)
    assert parts.sample_weight_val is not None
    np.testing.assert_array_equal(parts.sample_weight_val, parts.val_rows)
    assert np.abs(parts.y_val.mean(axis=0) - np.eye(4)[Y].mean(axis=0)).max() < 0.02
    assert "140 training, 60 validation, no test part" in repr(parts)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"validation": 0.0}, "a fraction between 0 and 1, both excluded"),
        ({"validation": 1.0}, "a fraction between 0 and 1, both excluded"),
        ({"validation": -0.1}, "a fraction between 0 and 1, both excluded"),
        ({"validation": float("nan")}, "a fraction between 0 and 1, both excluded"),
        ({"validation": True}, "a fraction between 0 and 1, both excluded"),
        ({"validation": "0.1"}, "a fraction between 0 and 1, both excluded"),
        ({"validation": 0.999}, "takes 200 of 200 rows"),
        ({"validation": (X,)}, "tuple of 1"),
        (
            {"validation": (X[:, :2], Y)},
            r"rows of x have the shape \(4,\) and rows of x_val \(2,\)",
        ),
        ({"validation": (X[:5], Y)}, "x_val has 5 rows and y_val has 200"),
        ({"validation": (X, Y + 10)}, "y_val contains the classes"),
    ],
)
def test_invalid_arguments_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        split(load((X, Y)), **options)


def test_stratified_regression_and_other_records_are_refused() -> None:
    with pytest.raises(InvalidInput, match="stratify"):
        split(load((X, X[:, 0])), stratify=True)
    with pytest.raises(InvalidInput, match="expected a Dataset"):
        split((X, Y))  # type: ignore[arg-type]


def test_leakage_is_noted() -> None:
    x = np.random.default_rng(0).random((40, 3)).astype("float32")
    y = np.arange(40.0)
    shared = split(load((x, y, np.concatenate([x[:7], x[:5] + 1]), np.arange(12.0))))
    assert any("leakage: 7 test inputs also occur" in note for note in shared.notes)
    apart = split(load((x, y, x[:5] + 1, np.arange(5.0))))
    assert not any("leakage" in note for note in apart.notes)
