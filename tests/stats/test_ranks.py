"""Comparisons of methods on the same blocks: against SciPy, and coverage of intervals."""

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paceline.stats import ranks

LOSSES = st.integers(2, 8).flatmap(
    lambda k: st.lists(
        st.lists(st.integers(-5, 5).map(float), min_size=k, max_size=k), min_size=1, max_size=9
    )
)


@settings(max_examples=30, deadline=None)
@given(LOSSES)
def test_average_ranks_are_those_of_scipy_and_add_up(losses: list[list[float]]) -> None:
    found = ranks.average_ranks(losses)
    expected = stats.rankdata(losses, axis=1).mean(axis=0)
    assert np.allclose([one.value for one in found], expected)
    k = len(losses[0])
    assert math.isclose(sum(one.value for one in found), k * (k + 1) / 2)
    if len(losses) > 1:
        for one, ranked in zip(found, stats.rankdata(losses, axis=1).T, strict=True):
            assert (
                math.isnan(one.low) if len(set(ranked)) == 1 else one.low <= one.value <= one.high
            )


@pytest.mark.parametrize("count", [1, 2, 5, 8, 20])
@pytest.mark.parametrize("statistic", ["mean", "iqm"])
def test_equal_values_have_no_interval(count: int, statistic: Literal["mean", "iqm"]) -> None:
    found = ranks.estimate([0.1135] * count, statistic)
    assert found.value == pytest.approx(0.1135)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_failure_has_the_last_rank_and_no_difference() -> None:
    losses = [[0.2, math.nan, 0.1], [0.2, 0.3, 0.1], [0.4, 0.5, 0.2]]
    assert [one.value for one in ranks.average_ranks(losses)] == pytest.approx([2.0, 3.0, 1.0])
    pair = next(p for p in ranks.pairwise(losses) if (p.first, p.second) == (0, 1))
    assert pair.num_blocks == 2
    assert pair.difference.value == pytest.approx(0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    corrected = ranks.holm(p_values)
    assert all(
        p <= c <= min(1.0, len(p_values) * p) + 1e-12
        for p, c in zip(p_values, corrected, strict=True)
    )
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.asarray(corrected)[order]) >= 0)


def test_holm_of_a_textbook() -> None:
    assert ranks.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert ranks.holm([0.01, math.nan, 0.04])[::2] == pytest.approx([0.02, 0.04])


def test_wilcoxon_or_t_if_there_are_too_few_blocks() -> None:
    rng = np.random.default_rng(1)
    many = rng.normal([0.0, 1.0], size=(20, 2))
    (pair,) = ranks.pairwise(many)
    assert pair.test == "Wilcoxon"
    assert pair.p == pytest.approx(stats.wilcoxon(many[:, 1] - many[:, 0]).pvalue)
    assert pair.difference.value > 0  # the first is better
    (pair,) = ranks.pairwise(many[:5])
    assert pair.test == "t"
    assert pair.p == pytest.approx(stats.ttest_rel(many[:5, 1], many[:5, 0]).pvalue)


def test_wilcoxon_is_exact_with_ties() -> None:
    d = np.array([1.0, 1.0, 2.0, 2.0, -1.0, 3.0, 3.0, 3.0])
    (pair,) = ranks.pairwise(np.column_stack([np.zeros(8), d]))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    ranked = stats.rankdata(np.abs(d))
    sums, seen = signs @ ranked, np.sign(d) @ ranked
    assert pair.p == pytest.approx(np.mean(np.abs(sums) >= abs(seen) - 1e-9))


def test_only_the_requested_pairs_are_corrected() -> None:
    losses = np.random.default_rng(2).normal(size=(5, 4)) + np.arange(4)
    asked = ranks.pairwise(losses, [(0, 1), (1, 2)])
    assert [p.p_holm for p in asked] == pytest.approx(ranks.holm([p.p for p in asked]))


@pytest.mark.parametrize("losses", [[[1.0, 1.0]] * 4, [[1.0, 2.0]]])
def test_equal_methods_and_a_single_block_are_not_significant(losses: list[list[float]]) -> None:
    (pair,) = ranks.pairwise(losses)
    assert not pair.is_real


def test_equal_differences_in_five_blocks_are_not_certain() -> None:
    (pair,) = ranks.pairwise([[1.0, 2.0]] * 5)
    assert pair.p == pytest.approx(2 / 2**5)


@pytest.mark.parametrize(("n", "statistic"), [(3, "mean"), (10, "mean"), (10, "iqm")])
def test_coverage_of_bootstrap_intervals(n: int, statistic: str) -> None:
    """300 samples: a coverage of 0.95 is observed below 0.89 in 2e-5 of runs."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        found = ranks.estimate(
            rng.normal(size=n), statistic="iqm" if statistic == "iqm" else "mean"
        )
        held += found.low <= 0.0 <= found.high
    assert held / 300 >= 0.89


def test_false_alarms_of_equal_methods_are_rare() -> None:
    """200 comparisons: a family-wise rate of 5 % is observed above 11 % with probability 2e-4."""
    rng = np.random.default_rng(4)
    alarms = sum(
        any(p.is_real for p in ranks.pairwise(rng.normal(size=(5, 3)))) for _ in range(100)
    )
    alarms += sum(
        any(p.is_real for p in ranks.pairwise(rng.normal(size=(12, 3)))) for _ in range(100)
    )
    assert alarms / 200 <= 0.11
