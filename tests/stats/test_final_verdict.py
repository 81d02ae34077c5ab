"""The verdict of a final: coverage, error rates, equivariance and limitations."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from paceline.core import Final, InvalidInput, Objective, Splits
from paceline.stats.final_verdict import Verdict, judge
from paceline.stats.selection_bias import outliers, select_best, t_interval

UP, DOWN = Objective("val_gain", "maximize"), Objective("val_loss", "minimize")
Floats = NDArray[np.float64]


def final_of(
    scores: Floats | Sequence[Sequence[float]], *, default: int | None = None, share: float = 0.0
) -> Final:
    """Finalists 10, 11, ... with these scores, a row each."""
    rows = np.asarray(scores, dtype=float)
    measured = {(10 + k, j): float(score) for (k, j), score in np.ndenumerate(rows)}
    splits = Splits.ROWS if share > 0 else Splits.SAME
    return Final(tuple(range(10, 10 + len(rows))), default, rows.shape[1], splits, share, measured)


def noisy(
    means: Sequence[float], pairs: int, seed: int, *, deviation: float = 1.0, common: float = 0.5
) -> Floats:
    rng = np.random.default_rng(seed)
    of_pair = common * rng.standard_normal(pairs)
    return (
        np.asarray(means)[:, None] + of_pair + deviation * rng.standard_normal((len(means), pairs))
    )


def numbers(verdict: Verdict) -> list[float]:
    v = verdict
    return [v.mean, v.sd, v.expected, v.low, v.high, v.optimism, v.optimism_error]


def test_a_clear_winner_has_the_t_interval() -> None:
    scores = noisy([100.0, 50.0, 0.0], 8, 1)
    verdict = judge(final_of(scores), UP, {10: 101.0})
    low, high = stats.t.interval(0.95, 7, scores[0].mean(), stats.sem(scores[0]))
    assert (verdict.low, verdict.high) == pytest.approx((low, high), rel=1e-9)
    assert verdict.expected == pytest.approx(verdict.mean, rel=1e-9)
    assert verdict.optimism == pytest.approx(101.0 - scores[0].mean())
    assert verdict.tied == (10,)


def test_the_estimate_corrects_for_the_selection() -> None:
    found = [judge(final_of(noisy([0.0] * 8, 8, seed)), UP, {}) for seed in range(100)]
    plain_means = [verdict.mean for verdict in found]
    # the mean is too good by 1.42 / sqrt(8) = 0.5; a mean of 100 has a standard error of
    # 0.04, so it is off by 0.15 with a probability of about 2 in 10,000
    assert np.mean(plain_means) == pytest.approx(0.5, abs=0.15)
    assert np.mean([verdict.expected for verdict in found]) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize("gap", [0.0, 0.35], ids=["equal", "close"])
def test_coverage_of_intervals(gap: float) -> None:
    """Of 150 studies at 95 %, fewer than 134 (89 %) have a probability of 1 in 2,000."""
    means = [-gap * place for place in range(8)]
    held, held_plain = 0, 0
    for seed in range(150):
        scores = noisy(means, 8, seed)
        verdict = judge(final_of(scores), UP, {})
        truth = means[verdict.winner - 10]
        held += verdict.low <= truth <= verdict.high
        mean, _, half = t_interval(scores[verdict.winner - 10])
        held_plain += abs(mean - truth) <= half
    assert held >= 134
    assert held >= held_plain


def test_equal_configurations_are_rarely_better_than_the_default() -> None:
    """At most 5 %: more than 36 of 400 have a probability of 1 in 2,000."""
    verdicts = [
        judge(final_of(noisy([0.0] * 4, 6, seed), default=12), UP, {}).beats_default
        for seed in range(400)
    ]
    assert sum(one is True for one in verdicts) <= 36
    assert None not in verdicts


def test_p_values_are_those_of_the_paired_t_test() -> None:
    scores = noisy([1.0, 0.2, 0.0], 10, 3)
    verdict = judge(final_of(scores), UP, {})
    order = {rival.number: rival for rival in verdict.rivals}
    winner = verdict.winner - 10
    for place in {0, 1, 2} - {winner}:
        assert order[10 + place].p == pytest.approx(
            stats.ttest_rel(scores[winner], scores[place]).pvalue
        )


def test_overlapping_splits_increase_p_values() -> None:
    scores, share = noisy([1.5, 0.0], 8, 4), 0.25
    same, fresh = (judge(final_of(scores, share=one), UP, {}).rivals[0] for one in (0.0, share))
    by = math.sqrt((1 / 8 + share) / (1 / 8))
    assert fresh.high - fresh.difference == pytest.approx(by * (same.high - same.difference))
    t = stats.ttest_rel(*scores).statistic / by
    assert fresh.p == pytest.approx(2 * stats.t.sf(abs(t), 7))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 10**6), st.floats(0.0, 3.0))
def test_intervals_and_corrected_tests_agree(count: int, pairs: int, seed: int, gap: float) -> None:
    verdict = judge(final_of(noisy([-gap * k for k in range(count)], pairs, seed)), UP, {})
    for rival in verdict.rivals:
        assert rival.p_holm >= rival.p
        assert rival.tied == (rival.low <= 0.0) == (rival.p_holm > 0.05)
    assert verdict.tied == (
        verdict.winner,
        *(rival.number for rival in verdict.rivals if rival.tied),
    )


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 10**6),
    st.floats(-100, 100),
    st.floats(0.01, 100),
)
def test_units_direction_and_order_do_not_matter(
    count: int, pairs: int, seed: int, by: float, unit: float
) -> None:
    scores = noisy([0.3 * k for k in range(count)], pairs, seed)
    searched = {10 + k: 0.3 * k + 1 for k in range(count)}
    first = judge(final_of(scores), UP, searched)
    turned = judge(final_of(-scores), DOWN, {number: -score for number, score in searched.items()})
    mirrored = [-turned.mean, turned.sd, -turned.expected, -turned.high, -turned.low]
    assert numbers(first)[:5] == pytest.approx(mirrored, nan_ok=True)
    assert turned.optimism == pytest.approx(first.optimism)
    assert turned.tied == first.tied
    moved = judge(final_of(by + unit * scores), UP, {})
    expected = [by + unit * first.mean, unit * first.sd, by + unit * first.expected]
    assert numbers(moved)[:3] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    assert moved.high - moved.low == pytest.approx(
        unit * (first.high - first.low), rel=1e-5, nan_ok=True
    )
    final = final_of(scores)
    reordered = judge(replace(final, finalists=final.finalists[::-1]), UP, searched)
    assert numbers(reordered) == pytest.approx(numbers(first), nan_ok=True)
    assert set(reordered.rivals) == set(first.rivals) or pairs == 1


def test_an_outlier_of_a_rival_does_not_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    gains = (
        np.linspace(0.0, 1.0, 6)[:, None] + rng.normal(size=8) + 0.1 * rng.standard_normal((6, 8))
    )
    calm = select_best(gains)
    gains[2, 3] -= 50.0
    found = select_best(gains)
    assert (found.place, calm.place) == (5, 5)
    assert found.expected == pytest.approx(calm.expected, abs=0.5 * calm.standard_error)
    verdict = judge(final_of(gains.tolist()), UP, {})
    assert any("are outliers" in sentence for sentence in verdict.limits)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
def test_normal_scores_are_not_outliers(seed: int, count: int, pairs: int) -> None:
    assert not outliers(np.random.default_rng(seed).standard_normal((count, pairs))).sum() > 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 10**6), st.floats(0.0, 5.0))
def test_the_correction_never_increases_the_estimate(
    count: int, pairs: int, seed: int, gap: float
) -> None:
    gains = noisy([gap * k for k in range(count)], pairs, seed)
    picked = select_best(gains)
    assert gains.mean(axis=1)[picked.place] == gains.mean(axis=1).max()
    assert picked.expected <= gains.mean(axis=1).max() + 1e-9
    assert picked.half_width > 0


def test_a_strict_final_selects_by_one_half_and_measures_by_the_other() -> None:
    scores = noisy([0.0, 0.0, 0.0], 30, 7)
    verdict = judge(final_of(scores), UP, {}, strict=True)
    place = int(np.argmax(scores[:, ::2].mean(axis=1)))
    other = scores[place, 1::2]
    assert (verdict.winner, verdict.num_pairs) == (10 + place, 15)
    assert (verdict.low, verdict.high) == pytest.approx(
        stats.t.interval(0.95, 14, other.mean(), stats.sem(other))
    )
    rival = verdict.rivals[0]
    expected = stats.wilcoxon(other, scores[rival.number - 10, 1::2]).pvalue
    assert rival.p_signed_rank == pytest.approx(expected)


def test_the_smallest_of_the_tied_is_preferred() -> None:
    scores = [*noisy([1.0, 1.0], 8, 2, deviation=0.2), *noisy([-50.0], 8, 3)]
    verdict = judge(final_of(scores), UP, {}, sizes={10: 5.0, 11: 5.0, 12: 1.0})
    assert verdict.preferred == verdict.winner == verdict.recommended
    other = ({10, 11} - {verdict.winner}).pop()
    smaller = judge(final_of(scores), UP, {}, sizes={verdict.winner: 5.0, other: 2.0, 12: 1.0})
    assert (smaller.winner, smaller.preferred, smaller.recommended) == (
        verdict.winner,
        other,
        other,
    )
    assert judge(final_of(scores), UP, {}).preferred is None


def test_the_default_configuration() -> None:
    scores = noisy([1.0, -50.0], 8, 2)
    assert judge(final_of(scores, default=11), UP, {}).beats_default is True
    assert judge(final_of(scores, default=10), UP, {}).beats_default is False
    assert judge(final_of(scores), UP, {}).beats_default is None


def test_a_finalist_that_failed_cannot_win() -> None:
    scores = noisy([9.0, 1.0, 0.0], 8, 1)
    scores[0, 3] = math.nan
    verdict = judge(final_of(scores), UP, {})
    assert verdict.winner == 11
    assert "Trial 10 failed in 1 of 8 fresh trainings, so it cannot win." in verdict.limits
    assert [rival.number for rival in verdict.rivals] == [12, 10]
    assert not verdict.rivals[1].tied


def test_an_incomplete_final() -> None:
    final = final_of(noisy([9.0, 1.0], 8, 1))
    measured = {
        (n, pair): score
        for (n, pair), score in final.scores.items()
        if pair < 3 or (n, pair) == (10, 3)
    }
    verdict = judge(replace(final, scores=measured), UP, {})
    assert verdict.num_pairs == 3
    assert any(
        "not finished: only 3 of the 8 fresh trainings" in sentence for sentence in verdict.limits
    )
    assert judge(replace(final, scores={}), UP, {}).num_pairs == 0


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([[0.5], [0.4]], "One fresh training"),
        ([[0.5, 0.6, 0.7]], "only finalist"),
        ([[0.5] * 4, [0.5] * 4, [0.3] * 4], "all gave the same score"),
        ([[0.5] * 4, [0.4, 0.3, 0.2, 0.4]], "The winner's fresh trainings all gave the same score"),
        ([[math.nan] * 3] * 2, "No fresh training"),
        ([[math.inf, 1.0], [1.0, math.inf]], "failed in 1 of 2 fresh trainings"),
    ],
)
def test_limitations_are_stated(scores: list[list[float]], says: str) -> None:
    verdict = judge(final_of(scores), UP, {})
    assert any(says in sentence for sentence in verdict.limits), verdict.limits
    assert verdict.winner in (10, 11)


@pytest.mark.parametrize(("other", "tied"), [([0.5] * 4, True), ([0.11, 0.1, 0.12, 0.1], False)])
def test_equal_scores_of_trainings_that_differ_have_no_interval(
    other: list[float], tied: bool
) -> None:
    verdict = judge(final_of([[0.5] * 4, other]), UP, {})
    assert (verdict.winner, 11 in verdict.tied) == (10, tied)
    assert np.isnan([verdict.low, verdict.high, verdict.standard_error]).all()
    assert math.isnan(verdict.rivals[0].low) == tied


@pytest.mark.parametrize("pairs", [2, 3, 8])
def test_deterministic_scores_are_compared_exactly(pairs: int) -> None:
    final = replace(
        final_of([[1.0] * pairs, [0.97] * pairs, [0.42] * pairs, [1.0] * pairs], default=12),
        seeded=False,
    )
    verdict = judge(final, UP, {10: 1.0, 11: 0.97, 12: 0.42, 13: 1.0})
    assert verdict.exact
    assert (verdict.winner, verdict.tied, verdict.beats_default) == (10, (10, 13), True)
    assert (verdict.low, verdict.expected, verdict.high, verdict.optimism) == (1.0, 1.0, 1.0, 0.0)
    found = {
        rival.number: (rival.difference, rival.low, rival.high, rival.p_holm)
        for rival in verdict.rivals
    }
    assert found == {13: (0, 0, 0, 1), 11: (1 - 0.97,) * 3 + (0,), 12: (1 - 0.42,) * 3 + (0,)}


@pytest.mark.parametrize(
    ("rows", "searched", "seeded"),
    [
        ([[1.0] * 2, [0.95] * 2], {}, True),
        ([[1.0] * 2, [0.95] * 2], {11: 0.9}, False),
        ([[1.0, 1.0], [0.95, 0.9]], {}, False),
        ([[1.0], [0.95]], {}, False),
    ],
    ids=["the seed was read", "the search saw another score", "a score varies", "one call each"],
)
def test_possibly_random_scores_are_not_exact(
    rows: list[list[float]], searched: dict[int, float], seeded: bool
) -> None:
    verdict = judge(replace(final_of(rows), seeded=seeded), UP, searched)
    assert not verdict.exact
    assert verdict.tied == (10, 11)


def test_constant_scores_are_evidence() -> None:
    """A network that learns nothing has 0.5 in each of eight splits, and the others 1.0."""
    rows = [[1.0] * 8, [0.5] * 8, *([[1.0] * 8] * 6)]
    verdict = judge(final_of(rows, default=11, share=1 / 9), UP, {})
    assert not verdict.exact
    assert verdict.beats_default is True
    assert verdict.tied == (10, *range(12, 18))
    few = judge(final_of([[1.0] * 2, [0.95] * 2], default=11), UP, {})
    assert few.beats_default is False
    assert few.rivals[0].p == 2 / 4**2


def test_a_few_equal_differences_of_a_coarse_metric_are_weak_evidence() -> None:
    rows = np.array([[0.90, 0.95, 0.85], [0.85, 0.90, 0.80]])
    assert judge(final_of(rows), UP, {}).rivals[0].p == 0.25


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6).filter(lambda p: sum(p) > 0.1),
    st.integers(2, 8),
)
def test_equal_configurations_are_rarely_constant_and_different(
    weights: list[float], pairs: int
) -> None:
    """The p of two configurations with constant scores is valid for every common distribution."""
    p = np.array(weights) / sum(weights)
    chance = (p**pairs).sum() ** 2 - (p ** (2 * pairs)).sum()
    scores = np.array([[1.0] * pairs, [0.0] * pairs])
    assert chance <= judge(final_of(scores), UP, {}).rivals[0].p + 1e-12


@settings(max_examples=100, deadline=None)
@given(st.data(), st.booleans())
def test_a_verdict_of_any_scores_never_raises(data: st.DataObject, strict: bool) -> None:
    count, pairs = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    score = st.one_of(
        st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]), st.floats(-1e6, 1e6)
    )
    keys = st.tuples(st.integers(10, 9 + count), st.integers(0, pairs - 1))
    final = final_of(
        np.zeros((count, pairs)), default=data.draw(st.sampled_from([None, 10, 99])), share=0.1
    )
    verdict = judge(
        replace(final, scores=data.draw(st.dictionaries(keys, score))),
        UP,
        {10: math.nan},
        strict=strict,
    )
    assert verdict.winner in final.finalists
    assert verdict.tied[0] == verdict.winner
    assert math.isnan(verdict.mean) == (verdict.num_pairs == 0)


def test_a_final_without_finalists_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no finalists"):
        judge(Final((), None, 8, Splits.ROWS, 0.1), UP, {})


def test_a_notebook_shows_the_finalists() -> None:
    verdict = judge(final_of(noisy([0.0, 0.0, 5.0], 6, 3)), UP, {})
    shown = verdict._repr_html_()
    assert f"Recommended: trial {verdict.winner}, of 3 finalists" in shown
    assert shown.count("<tr>") == 3 + 1 + 3  # facts, headings, finalists
    assert f"{verdict.low:.4g} to {verdict.high:.4g}" in shown
    alone = judge(final_of(np.ones((1, 1))), UP, {})._repr_html_()
    assert "nan<" not in alone
