"""Unification of axes."""

from itertools import accumulate, pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.train.merging.axes import PRODUCT, SUM, AxisTable, Kind
from paceline.train.merging.layout import Layout


def test_axes_of_equal_values_are_the_same() -> None:
    table = AxisTable()
    a, b, c = table.news((4, 4, 4))
    table.unify(a, b)
    table.unify(b, c)
    assert table.find(a) == table.find(c)
    assert not table.fixed_reasons()


def test_axes_of_different_sizes_may_not_differ() -> None:
    table = AxisTable()
    a, b = table.news((4, 5))
    table.unify(a, b)
    assert set(table.fixed_reasons()) == {a, b}


def test_the_reason_of_a_product_is_that_of_its_factors() -> None:
    table = AxisTable()
    whole, a, b, other = table.news((12, 3, 4, 5))
    table.compose(whole, PRODUCT, (a, b))
    table.fix(whole, "sort")
    assert table.fixed_reasons() == {a: "sort", b: "sort"}
    assert table.own_axes(other) == [other]


def test_two_factorisations_have_their_common_refinement() -> None:
    table = AxisTable()
    whole, a, b, c, d = table.news((24, 8, 3, 2, 12))
    table.compose(whole, PRODUCT, (a, b))
    table.compose(whole, PRODUCT, (c, d))
    assert [table.sizes[axis] for axis in table.own_axes(whole)] == [2, 4, 3]
    assert table.own_axes(a) == table.own_axes(whole)[:2]
    assert table.own_axes(d) == table.own_axes(whole)[1:]


def test_factorisations_that_do_not_fit_fix_the_axes() -> None:
    table = AxisTable()
    whole, a, b, c, d = table.news((24, 6, 4, 4, 6))
    table.compose(whole, PRODUCT, (a, b))
    table.compose(whole, PRODUCT, (c, d))
    assert {table.find(axis) for axis in (a, b, c, d)} <= set(table.fixed_reasons())


def test_parts_that_count_copies_are_parts_beside_each_other() -> None:
    """The gates of a recurrent layer: units times four, or four parts of as many units."""
    table = AxisTable()
    whole, count, units, *parts = table.news((12, 4, 3, 3, 3, 3, 3))
    table.compose(whole, PRODUCT, (count, units))
    table.compose(whole, SUM, parts)
    assert {table.find(part) for part in parts} == {table.find(units)}
    assert set(table.fixed_reasons()) == {count}


@pytest.mark.parametrize("kind", [PRODUCT, SUM])
@given(
    sizes=st.lists(st.integers(2, 5), min_size=2, max_size=5),
    cuts=st.lists(st.sets(st.integers(1, 4)), min_size=1, max_size=3),
)
def test_the_parts_of_an_axis_do_not_depend_on_how_they_are_grouped(
    kind: Kind, sizes: list[int], cuts: list[set[int]]
) -> None:
    table = AxisTable()
    combine = prod if kind == PRODUCT else sum
    whole = table.new(combine(sizes))
    leaves = table.news(sizes)
    table.compose(whole, kind, leaves)
    for cut in cuts:
        edges = [0, *sorted(place for place in cut if place < len(sizes)), len(sizes)]
        pieces = [sizes[a:b] for a, b in pairwise(edges)]
        groups = [table.new(combine(piece)) for piece in pieces]
        other = table.new(combine(sizes))
        table.compose(other, kind, groups)
        table.unify(whole, other)
        starts = [0, *accumulate(len(piece) for piece in pieces)]
        for group, start, piece in zip(groups, starts, pieces, strict=False):
            same = [table.find(leaf) for leaf in leaves[start : start + len(piece)]]
            assert table.own_axes(group) == same
    assert not table.fixed_reasons()


@settings(max_examples=15)
@given(
    own=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    more=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    kind=st.sampled_from([PRODUCT, SUM]),
)
@pytest.mark.exhaustive
def test_what_is_padded_can_be_cut_again(
    own: tuple[int, int], more: tuple[int, int], kind: Kind
) -> None:
    table = AxisTable()
    a, b = table.news((2, 3))
    whole = table.new(6 if kind == PRODUCT else 5)
    table.compose(whole, kind, (a, b))
    largest = {a: own[0] + more[0], b: own[1] + more[1]}
    layout = Layout(table, largest, dict(zip((a, b), own, strict=True)))
    length = prod(own) if kind == PRODUCT else sum(own)
    array = np.arange(1, length + 1)
    padded = layout.pad([whole], array)
    assert padded.shape == layout.shape([whole])
    np.testing.assert_array_equal(layout.cut([whole], padded), array)
    valid = np.asarray(layout.valid(whole))
    np.testing.assert_array_equal(padded != 0, valid)
    positions = np.asarray(layout.position(whole))[valid]
    np.testing.assert_array_equal(positions, np.arange(length))
