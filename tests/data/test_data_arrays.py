"""Arrays, data frames and trees in memory: what is taken, what it becomes, what is refused."""

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paceline.core import InvalidInput
from paceline.data import Dataset, load, split

X = np.arange(24, dtype=np.float64).reshape(8, 3)
Y = np.array([0, 1] * 4)


def test_import_is_light() -> None:
    code = (
        "import sys, paceline.data; "
        "heavy = {'jax', 'keras', 'sklearn', 'pandas', 'pooch', 'rich'}; "
        "print(heavy & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "source", [(X, Y, X[:4], Y[:4]), ((X, Y), (X[:4], Y[:4]))], ids=["flat", "pairs"]
)
def test_arrays_with_a_test_part(source: Any) -> None:
    data = load(source)
    assert (data.num_rows, len(data.y_test), data.num_outputs) == (8, 4, 2)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(data.x_test, X[:4])


def test_arrays_in_memory_have_no_test_set_by_default() -> None:
    assert load((X, Y)).x_test is None
    drawn = load((X, Y), test=0.25)
    assert (drawn.num_rows, len(drawn.x_test)) == (6, 2)
    given_apart = load((X, Y), test=(X[:2], Y[:2]))
    assert (given_apart.num_rows, len(given_apart.x_test)) == (8, 2)
    assert load((X, Y, X, Y), test=None).x_test is None
    with pytest.raises(InvalidInput, match="own test set"):
        load((X, Y, X, Y), test=0.2)


def test_lists_pandas_and_column_targets_are_the_same_data() -> None:
    expected = load((X, Y))
    for x, y in (
        (X.tolist(), Y.tolist()),
        (X, Y[:, None]),
        (X, pd.Series(Y)),
        (X.astype(np.float16), Y.astype(np.int8)),
    ):
        assert load((x, y)).fingerprint == expected.fingerprint


def test_integers_and_bytes_stay_integers() -> None:
    tokens = np.arange(16).reshape(8, 2)
    assert load((tokens, Y)).x.dtype == np.int32
    assert load((tokens > 3, Y)).x.dtype == np.float32
    data = load((np.zeros((8, 4, 4), np.uint8), Y))
    assert data.x.dtype == np.uint8
    assert "divide by 255" in split(data, stratify=False).notes[0]
    assert (
        "scaled from 0 to 255 to 0 to 1" in split(data, stratify=False, standardize=True).notes[0]
    )


def test_one_dimensional_inputs_become_one_column() -> None:
    assert load((np.arange(8.0), Y)).x.shape == (8, 1)


def test_several_inputs_and_outputs() -> None:
    x = {"b": X, "a": [X[:, 0], X[:, :2]]}
    data = load((x, {"price": X[:, 0], "kind": Y}))
    assert data.input_shape == {"a": [(1,), (2,)], "b": (3,)}
    assert (data.task, data.num_outputs, data.num_classes) == ("regression", None, None)
    assert data.y["kind"].dtype == np.int32
    with pytest.raises(InvalidInput, match=r"x\['a'\] 8.*x\['b'\] 7|x\['b'\]"):
        load(({"a": X, "b": X[:7]}, Y))
    with pytest.raises(InvalidInput, match="rows of x"):
        load((x, Y, {"b": X, "a": X}, Y))


def test_sample_weights() -> None:
    data = load((X, Y), sample_weight=list(range(8)))
    assert data.sample_weight is not None
    assert data.sample_weight.dtype == np.float32
    drawn = load((X, Y), sample_weight=np.arange(8), test=0.25)
    assert drawn.sample_weight is not None
    np.testing.assert_array_equal(X[drawn.sample_weight.astype(int)], drawn.x)


@pytest.mark.parametrize(
    "weights", [np.ones(7), -np.ones(8), np.zeros(8), np.full(8, np.nan), ["a"] * 8, "column"]
)
def test_invalid_sample_weights_are_refused(weights: Any) -> None:
    with pytest.raises(InvalidInput, match="sample_weight"):
        load((X, Y), sample_weight=weights)


def _with(array: np.ndarray[Any, Any], value: float) -> np.ndarray[Any, Any]:
    changed = array.astype(np.float64)
    changed[2] = value
    return changed


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ((_with(X, np.nan), Y), r"x contains 3 NaN among its 24 values \(row 2, counted from 0\)"),
        ((_with(X, np.inf), Y), "x contains 3 infinite"),
        ((_with(X, 1e300), Y), "x contains 3 infinite"),
        ((X, _with(Y, np.nan)), "target y is missing or infinite in 1 of 8 rows"),
        (
            (X, Y * 1e30),
            r"y is as large as .*; expected at most .* Pass it in another unit",
        ),
        ((X, np.c_[Y, Y] * 1e30), r"y is as large as .*; expected at most 1e\+18"),
        ((X, _with(Y, -np.inf)), "target y is missing or infinite in 1 of 8 rows"),
        (
            (X, pd.Series(["a", None] * 4, name="kind")),
            r"in 4 of 8 rows \(rows 1, 3, 5, 7, counted from 0\)",
        ),
        ((X, [0, 1, None, 1, 0, 1, 0, None]), r"y is missing .* 2 of 8 rows \(rows 2, 7, counted"),
        (
            (X, np.array(["a", None, "b", "a", "b", math.nan, "a", "b"], object)),
            r"2 of 8 rows \(rows 1, 5",
        ),
        ((X, Y[:5]), "x has 8 rows and y has 5"),
        ((X[:0], Y[:0]), "empty"),
        ((X, np.array([])), "empty"),
        (([[1.0], [1.0, 2.0]], [0, 1]), "rows of equal shape"),
        ((np.array([[1], None], dtype=object), Y[:2]), "Python objects"),
        (
            (np.array([["a"], ["b"]]), Y[:2]),
            "array of texts; expected numbers. Pass a pandas data frame: its columns of",
        ),
        ((X.astype("datetime64[s]"), Y), "array of dates"),
        ((X + 1j, Y), "complex numbers"),
        ((3.0, Y), "x is a float"),
        ((None, Y), "x"),
        ((X,), r"tuple of 1; .*For an autoencoder or another model of x alone, pass \(x, x\)"),
        ((X, None), r"a tuple whose y is None; .*pass \(x, x\)"),
        ([X, Y], "Pass x and y as a tuple"),
        ([(X, Y), (X, Y)], r"Pass batches \(x, y\) in a list as a function: lambda: batches"),
        ((X, np.zeros(8, int)), "single class"),
        ((X, Y, X[:, :2], Y), r"rows of x have the shape \(3,\) and rows of x_test \(2,\)"),
        ((X, Y, X, None), "y_test is None"),
        (iter([X]), "it has no targets|can be read once only"),
        ({"x": X}, "data is dict"),
        ({"x_train": X, "y_train": Y}, r"Pass \(data\['x_train'\], data\['y_train'\]\)"),
        ((pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]}), "y"), "frame alone and target='y'"),
        (X, r"data is ndarray; .*For an autoencoder or another model of x alone, pass \(x, x\)"),
    ],
)
def test_invalid_arrays_are_refused(source: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        load(source)


@pytest.mark.parametrize(
    "options",
    [
        {"target": "y"},
        {"task": "ranking"},
        {"test": 1.5},
        {"test": "t.csv"},
        {"test": (X,)},
        {"test": X},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        load((X, Y), **options)


def test_labels_become_classes() -> None:
    words = load((X, np.array(["cat", "dog"] * 4), X[:2], np.array(["dog", "eel"])))
    assert words.class_names == ("cat", "dog", "eel")
    assert words.y_test.tolist() == [1, 2]
    assert "1 of 3 classes occur in the test set only." in words.notes
    assert load((X, Y == 1)).class_names == ("False", "True")
    shifted = load((X, Y + 1))
    assert (shifted.class_names, shifted.y.tolist()) == (("1", "2"), Y.tolist())
    assert shifted.notes == ("Classes 1, 2 are numbered 0 to 1.",)
    assert load((X, Y)).notes == ()


def test_regression_and_ambiguous_targets() -> None:
    assert load((X, X[:, 0])).task == "regression"
    assert load((X, X[:, :2])).num_outputs == 2
    many = np.arange(500)
    prices = load((many.astype(float), many * 7))
    assert prices.task == "regression"
    assert "task='classification'" in prices.notes[0]
    assert load((many.astype(float), many * 7), task="classification").num_classes == 500
    whole = np.tile([1.0, 2.0], 50)
    doubtful = load((np.arange(100.0), whole))
    assert "2 distinct whole values" in doubtful.notes[0]
    assert load((np.arange(100.0), whole), task="classification").class_names == ("1", "2")
    with pytest.raises(InvalidInput, match="fractions"):
        load((np.arange(100.0), whole / 4), task="classification")
    with pytest.raises(InvalidInput, match="numbers for regression"):
        load((X, ["a", "b"] * 4), task="regression")


def test_one_hot_targets_stay_one_hot() -> None:
    data = load((X, np.eye(2)[Y]))
    assert (data.task, data.num_classes, data.y.shape, data.y.dtype) == (
        "classification",
        2,
        (8, 2),
        np.float32,
    )


def test_fingerprints_differ_for_different_data() -> None:
    base = load((X, Y)).fingerprint
    assert load((X.copy(order="F"), Y)).fingerprint == base
    others = [
        load((_with(X, 5.0), Y)),
        load((X, Y[::-1])),
        load((X, Y, X, Y)),
        load((X.reshape(8, 3, 1), Y)),
        load((X, Y + 1)),
        load((X, Y), sample_weight=np.ones(8)),
        load((X, Y.astype(float))),
        load((X.astype(int), Y)),
        load(([X], Y)),
    ]
    assert len({base, *(other.fingerprint for other in others)}) == len(others) + 1


@settings(max_examples=40, deadline=None)
@given(
    x=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6),
        elements=st.floats(-9, 9, width=32),
    ),
    place=st.integers(0, 10**6),
)
def test_any_changed_value_changes_the_fingerprint(x: np.ndarray[Any, Any], place: int) -> None:
    y = np.arange(len(x)) % 2
    changed = x.copy()
    changed.flat[place % x.size] += 1
    assert (
        load((x, y)).fingerprint
        == load((x.copy(), y)).fingerprint
        != load((changed, y)).fingerprint
    )


def test_a_data_set_passes_through_and_is_frozen() -> None:
    data = load((X, Y))
    assert load(data) is data
    assert "8 rows, no test part" in repr(data)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"
    assert isinstance(data, Dataset)
