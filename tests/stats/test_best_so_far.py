"""The best loss so far, and the expected one of random search."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import InvalidInput
from paceline.stats.best_so_far import best_so_far, expected_best

LOSSES = st.lists(st.floats(-100, 100), min_size=1, max_size=7)


@given(LOSSES)
def test_expected_best_is_the_mean_over_all_subsets(losses: list[float]) -> None:
    brute = [
        np.mean([min(subset) for subset in itertools.combinations(losses, n)])
        for n in range(1, len(losses) + 1)
    ]
    np.testing.assert_allclose(expected_best(losses), brute, atol=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=500))
def test_expected_best_falls_from_the_mean_to_the_smallest(losses: list[float]) -> None:
    expected = expected_best(losses)
    assert expected[0] == pytest.approx(np.mean(losses))
    assert expected[-1] == pytest.approx(min(losses))
    assert (np.diff(expected) <= 1e-9).all()


@pytest.mark.parametrize("losses", [[], [1.0, math.nan]])
def test_expected_best_needs_finite_losses(losses: list[float]) -> None:
    with pytest.raises(InvalidInput, match="finite numbers"):
        expected_best(losses)


def test_best_so_far_skips_trials_without_a_loss() -> None:
    nan = math.nan
    np.testing.assert_array_equal(best_so_far([nan, 3, nan, 4, 1, nan]), [nan, 3, 3, 3, 1, 1])
    assert best_so_far([]).shape == (0,)
