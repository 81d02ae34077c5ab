"""Constants that are functions of the numbers of a configuration are predicted, others never."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.train.known_constants import Floats, KnownConstants

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "v": lambda v: v,
    "-v": lambda v: -v,
    "1 - v": lambda v: 1 - v,
    "1 / v": lambda v: 1 / v,
    "1 / (1 - v)": lambda v: 1 / (1 - v),
    "sqrt(v / (1 - v))": lambda v: math.sqrt(v / (1 - v)),
    "fixed": lambda _: 0.9,
}
ROUNDINGS: dict[str, Callable[[float], float]] = {
    "exact": float,
    "float32": lambda x: float(np.float32(x)),
    "bfloat16": lambda x: float(jnp.bfloat16(x)),
}
UNKNOWN: list[Callable[[float], float]] = [math.exp, lambda v: v**3 / 7, lambda v: max(v, 0.5)]

Formula = tuple[int, Callable[[float], float], Callable[[float], float]]
rates = st.floats(0.01, 0.99)
rows = st.lists(st.tuples(rates, rates, st.sampled_from([0.1, 0.2, 0.5])), min_size=2, max_size=9)
formulas: st.SearchStrategy[list[Formula]] = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(list(FUNCTIONS.values())),
        st.sampled_from(list(ROUNDINGS.values())),
    ),
    min_size=1,
    max_size=6,
)


def numbers(row: tuple[float, ...]) -> dict[str, float]:
    return {**{f"v{place}": value for place, value in enumerate(row)}, "units": 32.0}


def constants(own: list[Formula], row: tuple[float, ...]) -> Floats:
    return np.array([rounded(function(row[place])) for place, function, rounded in own])


@settings(max_examples=60, deadline=None)
@given(rows, formulas)
def test_what_is_predicted_is_what_a_trace_gives(
    all_rows: list[tuple[float, ...]], own: list[Formula]
) -> None:
    known = KnownConstants()
    for row in all_rows:
        predicted = known.predict(numbers(row))
        assert predicted is None or predicted.tobytes() == constants(own, row).tobytes()
        known.add(numbers(row), constants(own, row))
    assert not known.is_unpredictable
    predicted = known.predict(numbers(all_rows[-1]))
    if predicted is not None:
        assert predicted.tobytes() == constants(own, all_rows[-1]).tobytes()


def learned(own: list[Formula], count: int = 3) -> KnownConstants:
    known, rng = KnownConstants(), np.random.default_rng(0)
    for _ in range(count):
        row = tuple(map(float, rng.uniform(0.01, 0.99, 3)))
        known.add(numbers(row), constants(own, row))
    return known


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("rounded", ROUNDINGS.values(), ids=ROUNDINGS)
def test_all_functions_are_known_after_a_few_networks(
    function: Callable[[float], float], rounded: Callable[[float], float]
) -> None:
    own = [(place, function, rounded) for place in range(3)]
    row = (0.123, 0.456, 0.789)
    assert learned(own, count=1).predict(numbers(row)) is None
    predicted = learned(own, count=4).predict(numbers(row))
    assert predicted is not None
    assert predicted.tobytes() == constants(own, row).tobytes()


@settings(max_examples=30, deadline=None)
@given(rows, formulas, rates)
def test_the_examples_alone_give_the_same_predictions(
    all_rows: list[tuple[float, ...]], own: list[Formula], rate: float
) -> None:
    known, again = KnownConstants(), KnownConstants()
    for row in all_rows:
        known.add(numbers(row), constants(own, row))
    for example in known.examples:
        again.add(dict(zip(known.names, example.numbers, strict=True)), example.constants)
    for row in (*all_rows, (rate, 1 - rate, 0.1)):
        one, other = known.predict(numbers(row)), again.predict(numbers(row))
        assert (one is None) == (other is None)
        assert one is None or other is None or one.tobytes() == other.tobytes()


@pytest.mark.parametrize("function", UNKNOWN)
def test_other_functions_are_never_predicted(function: Callable[[float], float]) -> None:
    known = learned([(0, function, float)], count=5)
    assert known.is_unpredictable
    assert known.predict(numbers((0.3, 0.4, 0.5))) is None


def test_a_number_that_never_varied_is_not_trusted_when_it_does() -> None:
    def squared(row: tuple[float, ...]) -> Floats:
        return np.array([row[1] ** 2])

    known = KnownConstants()
    for value in (0.1, 0.2, 0.3):
        known.add(numbers((value, 0.5)), squared((value, 0.5)))
    assert known.predict(numbers((0.4, 0.5))) is not None
    assert known.predict(numbers((0.4, 0.6))) is None
    known.add(numbers((0.4, 0.6)), squared((0.4, 0.6)))
    assert known.is_unpredictable


def test_functions_with_the_same_values_so_far_are_told_apart_by_a_trace() -> None:
    known = KnownConstants()
    for value in (0.5, 0.5, 0.5, 0.25):  # 0.5 = 1 - 0.5; the constant is v1
        known.add(numbers((0.1, 0.5, value)), np.array([0.5]))
    for one, other in ((0.5, 0.75), (0.3, 0.25)):
        known.add(numbers((0.1, one, other)), np.array([one]))
    predicted = known.predict(numbers((0.1, 0.7, 0.6)))
    assert predicted is not None
    assert predicted.tolist() == [0.7]


def test_zeros_of_both_signs_and_nan_are_compared_bitwise() -> None:
    known = KnownConstants()
    for value in (0.1, 0.2, 0.3):
        known.add(numbers((value,)), np.array([np.nan, 0.0, -0.0]))
    predicted = known.predict(numbers((0.4,)))
    assert predicted is not None
    assert predicted.tobytes() == np.array([np.nan, 0.0, -0.0]).tobytes()
    known.add(numbers((0.5,)), np.array([np.nan, -0.0, -0.0]))
    assert known.is_unpredictable


def test_sizes_are_numbers_like_any() -> None:
    known = KnownConstants()
    for units in (8, 24, 7):
        known.add({"units": units}, np.array([float(np.float32(1 / units))]))
    predicted = known.predict({"units": 32})
    assert predicted is not None
    assert predicted.tolist() == [1 / 32]


def test_networks_of_another_structure_are_refused() -> None:
    known = learned([(0, float, float)])
    with pytest.raises(ValueError, match="2 constants instead of 1"):
        known.add(numbers((0.1, 0.2, 0.3)), np.zeros(2))
    with pytest.raises(ValueError, match="other names"):
        known.predict({"other": 1.0})
