"""Single hyperparameters: legal values, errors and their messages."""

from collections.abc import Callable

import numpy as np
import pytest

from paceline.core import InvalidInput
from paceline.space import Boolean, Choice, Condition, Fixed, Float, Hyperparameter, Int


def values(h: Hyperparameter) -> list[object]:
    return [h.value_at(index) for index in range(h.num_values or 0)]


@pytest.mark.parametrize(
    ("h", "expected"),
    [
        (Int("n", 6, 12), [6, 7, 8, 9, 10, 11, 12]),  # the examples of KerasTuner's documentation
        (Int("n", 6, 13, step=3), [6, 9, 12]),
        (Int("n", 2, 32, step=2, sampling="log"), [2, 4, 8, 16, 32]),
        (Int("n", 32, 512, 2, "LOG"), [32, 64, 128, 256, 512]),
        (Int("n", 1, 10, 3, "reverse_log"), [2, 8, 10]),
        (Float("f", 0, 1, step=0.2), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Float("f", 0.001, 10, step=10, sampling="log"), [0.001, 0.01, 0.1, 1.0, 10.0]),
        (Float("f", 0, 5, step=5 / 3), [0.0, 1.6666666666666667, 3.3333333333333335, 5.0]),
        (Float("f", 1, 10, 3, "reverse_log"), [2.0, 8.0, 10.0]),
        (Float("f", 2, 2), [2.0]),
        (Choice("c", ["a", 1, 1.0, True]), ["a", 1, 1.0, True]),
        (Boolean("b"), [False, True]),
        (Fixed("x", 3), [3]),
    ],
)
def test_values_have_the_type_of_their_hyperparameter(
    h: Hyperparameter, expected: list[object]
) -> None:
    assert [(type(v), v) for v in values(h)] == [(type(v), v) for v in expected]


def test_defaults_are_those_of_kerastuner() -> None:
    assert Int("n", 2, 5).default == 2
    assert Float("f", 0.5, 1).default == 0.5
    assert Choice("c", ["b", "a"]).default == "b"
    assert Boolean("b").default is False
    assert Fixed("x", "adam").default == "adam"
    assert Int("n", 2, 5, default=4).default == 4
    assert Float("f", 0, 1, step=0.1, default=0.1 + 0.2).default == 0.3


def test_a_name_may_be_set_later() -> None:
    assert Choice([32, 64]).named("batch_size") == Choice("batch_size", [32, 64])
    assert (
        Int(1, 5).named("n")
        == Int("n", 1, 5)
        == Int(1, 5, name="n")
        == Int(name="n", min_value=1, max_value=5)
    )
    assert Float(0, 1, 0.5).named("f") == Float("f", 0, 1, 0.5)
    assert Boolean(True).named("b") == Boolean("b", True)
    assert Fixed(3).named("x") == Fixed("x", 3)
    assert Choice([32, 64]).name == ""


def test_equality_is_exact_in_types() -> None:
    assert Choice("c", [1]) != Choice("c", [True])
    assert Choice("c", [1]) != Choice("c", [1.0])
    assert Condition("p", 1) != Condition("p", True)
    assert Condition("p", [1]) == Condition("p", (1,)) == Condition("p", 1)
    assert len({Int("n", 1, 2), Int("n", 1, 2, default=1)}) == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Int("n", 5, 1), "Int 'n' has min_value=5 above max_value=1"),
        (lambda: Int("n", 1, 5.5), "max_value of Int 'n' is 5.5; expected a whole number"),  # type: ignore[call-overload]
        (lambda: Int("n", True, 5), "min_value of Int 'n' is True"),
        (
            lambda: Int("n", 1, 5, default=7),
            "default of Int 'n' is 7; expected a number from 1 to 5",
        ),
        (lambda: Int("n", 1, 9, step=2, default=4), "in steps of 2"),
        (lambda: Int("n", 1, 9, step=0), "step=0; expected a step > 0"),
        (lambda: Int("n", 1, 9, step=1, sampling="log"), "expected a step > 1"),
        (lambda: Int("n", 0, 9, sampling="log"), "min_value=0; expected min_value > 0"),
        (lambda: Int("n", 1, 9, sampling="cubic"), "expected 'linear', 'log' or 'reverse_log'"),
        (lambda: Int("n", 0, 2**60), "fewer than 2**40"),
        (lambda: Int("n", 1), "Int 'n' has no max_value; expected Int(name, min_value, max_value)"),  # type: ignore[call-overload]
        (
            lambda: Float("f", 0, float("nan")),
            "max_value of Float 'f' is nan; expected a finite number",
        ),
        (lambda: Float("f", 0, float("inf")), "finite number"),
        (lambda: Float("f", -1e308, 1e308), "width is a finite float"),
        (lambda: Float("f", 0, 1, step=-0.1), "step=-0.1"),
        (lambda: Float("f", -1, 1, sampling="log"), "min_value > 0"),
        (
            lambda: Float("f", 0, 1, default=2),
            "default of Float 'f' is 2; expected a number from 0.0 to 1.0",
        ),
        (lambda: Float("f", 0, 1, step=0.5, default=0.3), "in steps of 0.5"),
        (lambda: Float("f", 1e16, 1e16 + 8, step=0.1), "that a float can resolve"),
        (lambda: Choice("c", []), "Choice 'c' has no values"),
        (lambda: Choice("c", [1, 2, 1]), "lists 1 twice"),
        (lambda: Choice("c", "abc"), "expected a list of values"),
        (lambda: Choice("c", [None]), "Use a string such as 'none'"),  # type: ignore[list-item]
        (lambda: Choice("c", [float("nan")]), "is nan"),
        (lambda: Choice("c", ["a"], ordered=True), "expected numbers, or ordered=False"),
        (
            lambda: Choice("c", ["a"], default="b"),
            "default of Choice 'c' is 'b'; expected one of ['a']",
        ),
        (lambda: Choice("c"), "Choice 'c' has no values"),
        (lambda: Boolean("b", 1), "expected True or False"),  # type: ignore[call-overload]
        (lambda: Fixed("x", [1]), "value of Fixed 'x' is [1]"),  # type: ignore[list-item]
        (lambda: Fixed("adam"), "Fixed 'adam' has no value"),
        (lambda: Condition("p", []), "has no values"),
        (lambda: Condition("", [1]), "name of another hyperparameter"),
    ],
)
def test_contradictory_arguments_raise_errors(make: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        make()
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Int("n", 1, 2, 1, "log", 1, (), 8),  # type: ignore[call-overload]
        lambda: Int("n", 1, 2, steps=1),  # type: ignore[call-overload]
        lambda: Int("n", 1, 2, max_value=3),  # type: ignore[call-overload]
    ],
)
def test_arguments_that_do_not_exist_are_type_errors(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_values_have_their_own_type() -> None:
    assert type(Int("n", 1, 5).legal(np.int64(3))) is int
    assert type(Int("n", 1, 5).legal(3.0)) is int
    assert type(Float("f", 0, 5).legal(3)) is float
    assert Choice("c", [1.0, 2.0]).legal(1) == 1.0
    assert type(Choice("c", [1.0, 2.0]).legal(1)) is float
    assert Choice("c", [True, 1]).legal(1) is not True
    assert not Choice("c", [1, 2]).admits(True)
    assert not Int("n", 0, 5).admits(True)
    assert not Int("n", 0, 5).admits("3")
    assert not Fixed("x", True).admits(1)
    assert Boolean("b").legal(np.bool_(True)) is True


@pytest.mark.parametrize("kind", [Int, Float])
@pytest.mark.parametrize("sampling", ["log", "reverse_log"])
def test_log_sampling_spreads_over_magnitudes(kind: type[Int] | type[Float], sampling: str) -> None:
    h = kind("h", 1, 10_000, sampling=sampling)
    below = [h.from_unit(u) for u in np.linspace(0.001, 0.999, 999)]
    near = [v for v in below if (v <= 100 if sampling == "log" else v >= 9_900)]
    assert 0.45 < len(near) / len(below) < 0.55
    assert below == sorted(below)


def test_only_numbers_are_ordered() -> None:
    assert Choice("c", [1, 2.5]).ordered
    assert not Choice("c", [1, "a"]).ordered
    assert not Choice("c", [True, False]).ordered
    assert not Choice("c", [1, 2], ordered=False).is_ordered
    assert Int("n", 1, 2).is_ordered
    assert not Boolean("b").is_ordered
