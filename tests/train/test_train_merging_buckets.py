"""The sizes of merged programs cost least of all choices from the series."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.train.merging.buckets import Buckets, SizeSpread, _least

SPREAD = SizeSpread((8, 32, 10), (8, 512, 10))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.lists(st.floats(0, 100), min_size=6, max_size=6),
    st.floats(0, 20),
)
def test_no_other_choice_of_levels_costs_less(
    parts: list[float], costs: list[float], compiling: float
) -> None:
    shares = [1.0, *sorted(parts, reverse=True)]
    costs = sorted([*costs, 100.0], reverse=True)[: len(shares)]
    numbers = range(1, len(shares))

    def cost(levels: tuple[int, ...]) -> float:
        ends = [*(shares[i] for i in levels[1:]), 0.0]
        trained = (costs[i] * (shares[i] - end) for i, end in zip(levels, ends, strict=True))
        return compiling * len(levels) + sum(trained)

    choices = [
        (0, *others)
        for count in range(len(shares))
        for others in itertools.combinations(numbers, count)
    ]
    chosen = _least([*shares, 0.0], costs, compiling)
    assert chosen[0] == 0
    assert cost(tuple(chosen)) == pytest.approx(min(map(cost, choices)))


def test_sizes_are_parts_of_the_largest() -> None:
    assert SPREAD.part(Fraction(1)) == (8, 512, 10)
    assert SPREAD.part(Fraction(3, 4)) == (8, 384, 10)
    assert SPREAD.part(Fraction(1, 64)) == (8, 32, 10)  # the smallest
    assert SPREAD.share((8, 512, 10)) == 1
    assert SPREAD.share((8, 32, 10)) == pytest.approx(1 / 481)


def test_a_network_trains_in_the_smallest_program_that_holds_it() -> None:
    buckets = Buckets((1,), ((8, 512, 10), (8, 256, 10)))
    assert buckets.of((8, 256, 10)) == (8, 256, 10)
    assert buckets.of((8, 257, 10)) == (8, 512, 10)
    assert buckets.of((8, 513, 10)) is None
