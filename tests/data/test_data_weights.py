"""Class weights go by the classes as the user knows them, and what is no class, or no weight, is
refused.
"""

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from paceline.core import InvalidInput
from paceline.data import load, targets, weights

ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 2))
NUMBERS = np.arange(ROWS) % 3


def resolved(given: Any, y: Any, **options: Any) -> Any:
    data = load((X, y), **options)
    return weights.by_number(weights.plain(given), data, data.y)


@pytest.mark.parametrize(
    ("y", "given", "by_number"),
    [
        (NUMBERS + 1, {1: 5, 2: 7, 3: 9}, [5, 7, 9]),
        ((NUMBERS + 1) * 10, {10: 1, 20: 2.5, 30: 4}, [1, 2.5, 4]),
        ((NUMBERS + 1) * 10, {"30": np.float32(4)}, [1, 1, 4]),
        (NUMBERS, {np.int64(2): 3}, [1, 1, 3]),
        (NUMBERS, [1, 2, 3], [1, 2, 3]),
        (NUMBERS, np.array([1.0, 2.0, 3.0]), [1, 2, 3]),
        (np.array(["low", "high", "mid"])[NUMBERS], {"low": 5, "high": 2}, [2, 5, 1]),
        (NUMBERS == 1, {True: 4, False: 2}, [2, 4]),
        (NUMBERS == 1, {1: 4}, [1, 4]),
        (np.eye(3)[NUMBERS], {0: 1, 2: 3}, [1, 1, 3]),
        (np.eye(3)[NUMBERS], [4, 5, 6], [4, 5, 6]),
    ],
)
def test_weights_are_by_the_users_classes(y: Any, given: Any, by_number: list[float]) -> None:
    assert resolved(given, y) == dict(enumerate(by_number))


def test_float_classes() -> None:
    assert resolved({1.0: 2, 3: 4}, NUMBERS * 2.0 + 1, task="classification") == {0: 2, 1: 4, 2: 1}


def test_balanced_equals_scikit_learns() -> None:
    y = np.array([0] * 40 + [1] * 15 + [2] * 5)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert list(resolved("balanced", y).values()) == pytest.approx(expected)
    assert list(resolved("balanced", np.eye(3)[y]).values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y", "given", "says"),
    [
        (
            NUMBERS,
            {99: 2},
            "names the class '99', which y does not have; expected one of its classes: 0, 1, 2",
        ),
        (NUMBERS + 1, {0: 2}, "names the class '0'"),
        (np.array(["low", "high", "mid"])[NUMBERS], {"hihg": 2}, "Did you mean 'high'"),
        (
            np.array(["low", "high", "mid"])[NUMBERS],
            {0: 2},
            "expected one of its classes: high, low, mid",
        ),
        (
            np.array(["low", "high", "mid"])[NUMBERS],
            [1, 2, 3],
            "is a list and the classes are high, low, mid",
        ),
        ((NUMBERS + 1) * 10, [1, 2, 3], "is a list and the classes are 10, 20, 30"),
        (NUMBERS, [1, 2], "is a list of 2; expected 3"),
        (NUMBERS, {0: -1}, "class_weight of 0 is -1; expected a number of at least 0"),
        (NUMBERS, {0: float("nan")}, "class_weight of 0 is nan"),
        (NUMBERS, {0: float("inf")}, "class_weight of 0 is inf"),
        (NUMBERS, {0: "heavy"}, "class_weight of 0 is 'heavy'"),
        (NUMBERS, {0: 0, 1: 0, 2: 0}, "at least one weight above 0"),
        (NUMBERS, {1: 1, "1": 2}, "expected each class once"),
        (NUMBERS, "blanced", "class_weight is 'blanced'; expected .*'balanced'"),
        (NUMBERS, 3, "class_weight is 3"),
        (X[:, 0], {0: 1}, "the target y has no class for each row"),
        (X[:, 0], "balanced", "the target y has no class for each row"),
        (NUMBERS[:, None] * np.ones((1, 4), int), {0: 1}, "has no class for each row"),
        ({"a": NUMBERS}, {0: 1}, "has no class for each row"),
    ],
)
def test_invalid_classes_and_weights_are_refused(y: Any, given: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        resolved(given, y)


def test_unchanged_classes_have_one_name() -> None:
    data = targets.keep_values(load((X, np.where(NUMBERS == 0, 2, 5))), 6)
    assert weights.by_number(weights.plain({5: 3}), data, data.y) == {2: 1.0, 5: 3.0}
    with pytest.raises(
        InvalidInput, match=r"names the class '3'.*expected one of its classes: 2, 5"
    ):
        weights.by_number(weights.plain({3: 3}), data, data.y)


def test_weights_of_a_stream_go_by_number() -> None:
    assert weights.of_stream(weights.plain({0: 1, 1: 5})) == {0: 1.0, 1: 5.0}
    assert weights.of_stream(weights.plain([1, 5])) == {0: 1.0, 1: 5.0}
    for given in ("balanced", {"yes": 2}):
        with pytest.raises(InvalidInput, match="data is a stream"):
            weights.of_stream(weights.plain(given))
