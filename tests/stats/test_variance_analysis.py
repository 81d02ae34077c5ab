"""Importance for known functions: shares, pairs, conditions, intervals and epochs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paceline.core import Configuration, InvalidInput
from paceline.space import Boolean, Choice, Condition, Fixed, Float, Int, Space
from paceline.stats.axes import axes_of, basis
from paceline.stats.basis_functions import BasisFunctions
from paceline.stats.partial_dependence import partial_dependence
from paceline.stats.table import Table
from paceline.stats.variance_analysis import Share, VarianceAnalysis, rank_correlation

Loss = Callable[[Configuration], float]
CUBE = Space({name: Float(0, 1) for name in "abcd"})
CONDITIONAL = Space(
    {
        "kind": Choice(["x", "y", "z"]),
        "only_x": Float(0, 1, conditions=[Condition("kind", "x")]),
        "layers": Int(1, 3),
        "units_3": Int(1, 1000, sampling="log", conditions=[Condition("layers", 3)]),
        "same": Fixed(7),
    }
)


def even(value: Any) -> float:
    """Mean 0 and variance 1 over [0, 1]."""
    return math.sqrt(12) * (float(value) - 0.5)


def drawn(space: Space, loss: Loss, num: int, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    configs = [space.sample(rng) for _ in range(num)]
    return Table.of(space, configs, [loss(c) for c in configs], seed=seed)


def by_name(shares: list[Share]) -> dict[tuple[str, ...], Share]:
    return {share.names: share for share in shares}


def noisy(loss: Loss, deviation: float, seed: int) -> Loss:
    rng = np.random.default_rng([seed, 7])
    return lambda c: loss(c) + deviation * float(rng.standard_normal())


def additive(c: Configuration) -> float:
    return (
        math.sqrt(0.6) * even(c["a"])
        + math.sqrt(0.3) * even(c["b"])
        + math.sqrt(0.1) * even(c["c"])
    )


def product(c: Configuration) -> float:
    return math.sqrt(0.3) * even(c["a"]) + math.sqrt(0.7) * even(c["b"]) * even(c["c"])


def ishigami(c: Configuration) -> float:
    """With a = 7 and b = 0.1, over [-pi, pi] (Ishigami and Homma 1990)."""
    x, y, z = (2 * math.pi * float(c[name]) - math.pi for name in "abc")
    return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)


def g_function(c: Configuration) -> float:
    """Sobol's, with a kink in the middle of each axis."""
    weights = {"a": 0.0, "b": 1.0, "c": 4.5, "d": 99.0}
    return math.prod((abs(4 * float(c[name]) - 2) + w) / (1 + w) for name, w in weights.items())


def _sobol_of_g() -> dict[str, float]:
    own = {
        name: 1 / (3 * (1 + w) ** 2)
        for name, w in {"a": 0.0, "b": 1.0, "c": 4.5, "d": 99.0}.items()
    }
    total = math.prod(1 + part for part in own.values()) - 1
    return {name: part / total for name, part in own.items()}


@pytest.mark.parametrize(
    ("loss", "truth", "pairs"),
    [
        (additive, {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0}, {}),
        (product, {"a": 0.3, "b": 0.0, "c": 0.0, "d": 0.0}, {("b", "c"): 0.7}),
        (ishigami, {"a": 0.314, "b": 0.442, "c": 0.0, "d": 0.0}, {("a", "c"): 0.244}),
        (g_function, _sobol_of_g(), {}),
    ],
)
def test_shares_are_the_sobol_indices(
    loss: Loss, truth: Mapping[str, float], pairs: Mapping[tuple[str, ...], float]
) -> None:
    variance = VarianceAnalysis.of(drawn(CUBE, loss, 200))
    shares, joint = by_name(variance.shares()), by_name(variance.interactions())
    for name, share in truth.items():
        assert shares[name,].share == pytest.approx(share, abs=0.04)
    for names, share in pairs.items():
        assert joint[names].share == pytest.approx(share, abs=0.06)
    if pairs:
        assert variance.interactions()[0].names in pairs
    assert variance.quality.enough
    assert sum(one.share for one in (*shares.values(), *joint.values())) <= 1


@settings(max_examples=4, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda w: sum(w) > 0.5),
    st.integers(0, 99),
)
def test_shares_of_a_sum_are_those_of_its_terms(weights: list[float], seed: int) -> None:
    total = sum(w**2 for w in weights)
    table = drawn(
        CUBE, lambda c: sum(w * even(c[n]) for n, w in zip("abcd", weights, strict=True)), 40, seed
    )
    for share, w in zip(VarianceAnalysis.of(table).shares(), weights, strict=True):
        assert share.share == pytest.approx(w**2 / total, abs=0.05)


def test_noise_has_no_share() -> None:
    variance = VarianceAnalysis.of(drawn(CUBE, noisy(additive, 1.0, 2), 200))
    shares = by_name(variance.shares())
    assert shares["a",].share == pytest.approx(0.3, abs=0.12)
    assert shares["b",].share == pytest.approx(0.15, abs=0.1)
    assert sum(share.share for share in variance.shares()) < 0.7


def test_a_conditional_hyperparameter_is_measured_where_it_is_active() -> None:
    def loss(c: Configuration) -> float:
        kind = {"x": 1.0, "y": 0.0, "z": -1.0}[str(c["kind"])] * math.sqrt(1.5)
        return math.sqrt(0.5) * kind + (
            math.sqrt(1.5) * even(c["only_x"]) if "only_x" in c else 0.0
        )

    table = drawn(CONDITIONAL, loss, 200)
    found = by_name(VarianceAnalysis.of(table).shares())
    assert found["kind",].share == pytest.approx(0.5, abs=0.05)
    assert found["only_x",].share == pytest.approx(
        0.5, abs=0.05
    )  # 1.5 where it is active: a third of the space
    assert found["units_3",].share < 0.02
    assert ("same",) not in found
    assert found["only_x",].num_trials == sum(table.active[:, 1])


def test_intervals_cover_the_truth() -> None:
    """30 intervals; more than 5 misses at 95 % have a probability below 1 in 300."""
    missed = 0
    for seed in range(10):
        found = by_name(
            VarianceAnalysis.of(drawn(CUBE, noisy(additive, 0.5, seed), 60, seed)).shares()
        )
        for name, truth in {"a": 0.48, "b": 0.24, "c": 0.08}.items():
            missed += not found[name,].low <= truth <= found[name,].high
        assert found["d",].low < 0.01
    assert missed <= 5


def test_results_are_deterministic() -> None:
    assert (
        VarianceAnalysis.of(drawn(CUBE, product, 40)).interactions()
        == VarianceAnalysis.of(drawn(CUBE, product, 40)).interactions()
    )


def test_the_unit_of_losses_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    configs = [CUBE.sample(rng) for _ in range(40)]
    losses = np.array([product(c) for c in configs])
    one, other = (
        VarianceAnalysis.of(Table.of(CUBE, configs, y)).shares()
        for y in (losses, 1e-6 * losses - 3e-6)
    )
    assert [s.share for s in one] == pytest.approx([s.share for s in other], abs=1e-6)


# -- trials that were stopped


def learning(config: Configuration, epoch: float) -> float:
    """``b`` matters at first, ``a`` at the end; good values of ``a`` start slowly."""
    left = (math.pow(epoch, -0.7) - math.pow(27, -0.7)) / (1 - math.pow(27, -0.7))
    a, b = even(config["a"]), even(config["b"])
    return a * (1 - 1.6 * left) + 0.3 * b + 1.5 * b * left + 3 * left


def halved(num: int, seed: int, noise: float = 0.1) -> Table:
    """Of each group of nine trials the best three continue to nine epochs, their best to 27."""
    rng = np.random.default_rng(seed)
    configs = [CUBE.sample(rng) for _ in range(num)]
    seen = [
        {e: learning(c, e) + noise * rng.standard_normal() for e in (1, 3, 9, 27)} for c in configs
    ]
    rows: list[tuple[int, int]] = []
    for first in range(0, num, 9):
        group = list(range(first, min(num, first + 9)))
        for epochs, kept in (((1,), 3), ((3, 9), 1), ((27,), 0)):
            rows += [(trial, epoch) for trial in group for epoch in epochs]
            losses = {trial: seen[trial][epochs[-1]] for trial in group}
            group = sorted(group, key=losses.__getitem__)[:kept]
    return Table.of(
        CUBE,
        [configs[trial] for trial, _ in rows],
        [seen[trial][epoch] for trial, epoch in rows],
        trials=[trial for trial, _ in rows],
        epochs=[epoch for _, epoch in rows],
    )


def test_importance_at_the_end_is_estimated_from_stopped_trials() -> None:
    """Seven of ten stop after the first epoch, where ``b`` explains 90 %; at the end ``a`` does."""
    variance = VarianceAnalysis.of(halved(135, 1))
    shares = by_name(variance.shares())
    assert variance.quality.enough
    assert variance.quality.num_full == 15
    assert shares["a",].share == pytest.approx(1 / 1.1, abs=0.1)
    assert shares["b",].share == pytest.approx(0.09 / 1.1, abs=0.1)


def test_too_few_full_trainings_give_no_shares() -> None:
    quality = VarianceAnalysis.of(halved(27, 1)).quality
    assert quality.r2 > 0.3
    assert not quality.enough
    assert "27 trials, 3 of them trained in full, are too few" in quality.doubt


def test_noise_is_not_predicted() -> None:
    for seed in range(3):
        variance = VarianceAnalysis.of(drawn(CUBE, noisy(lambda c: 0.0, 1.0, seed), 60, seed))
        assert not variance.quality.enough
        assert "predicts" in variance.quality.doubt


def test_a_search_in_a_corner_does_not_bias_the_shares() -> None:
    """30 uniform trials and 100 near the best corner; the shares are those of the space."""
    rng = np.random.default_rng(3)
    U = np.concatenate(
        [rng.random((30, 4)), np.clip(0.1 + 0.07 * rng.standard_normal((100, 4)), 0, 1)]
    )
    configs = [CUBE.decode(u) for u in U]
    losses = [additive(c) + 0.1 * rng.standard_normal() for c in configs]
    shares = by_name(
        VarianceAnalysis.of(
            Table.of(CUBE, configs, losses, even=[True] * 30 + [False] * 100)
        ).shares()
    )
    for name, truth in {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0}.items():
        assert shares[name,].share == pytest.approx(truth, abs=0.08)


@pytest.mark.parametrize("bad", [math.inf, 1e6])
def test_a_diverged_training_does_not_dominate(bad: float) -> None:
    """Three of 63 diverged for large ``d``: they count as bad, not as a million."""
    rng = np.random.default_rng(0)
    configs = [CUBE.sample(rng) for _ in range(60)] + [
        CUBE.decode([*rng.random(3), 0.99]) for _ in range(3)
    ]
    losses = [*(additive(c) for c in configs[:60]), bad, bad, bad]
    variance = VarianceAnalysis.of(Table.of(CUBE, configs, losses))
    assert variance.scaled.cap is not None
    assert 2 < variance.scaled.cap < 20
    shares = by_name(variance.shares())
    assert shares["a",].share > shares["b",].share


# -- being among the best


def test_the_best_tenth_refers_to_the_space() -> None:
    """``a`` explains nine tenths of the variance, but the best tenth depends on ``b`` only."""

    def loss(c: Configuration) -> float:
        return 3 * max(0.25, float(c["a"])) + 0.8 * float(c["b"])

    rng = np.random.default_rng(0)
    population = drawn(CUBE, loss, 5_000, 5)
    best = population.losses <= np.quantile(population.losses, 0.1)
    found = by_name(
        VarianceAnalysis.of(
            drawn(CUBE, lambda c: loss(c) + 0.02 * rng.standard_normal(), 200)
        ).best()
    )
    for place, name in enumerate("ab"):
        part = np.array(
            [best[population.cells[:, place] // 5 == cell].mean() for cell in range(10)]
        )
        assert found[name,].share == pytest.approx(part.var() / 0.09, abs=0.07)
    assert found["c",].share < 0.02
    assert sum(share.share for share in found.values()) <= 1


@pytest.mark.parametrize(
    ("space", "losses", "reason"),
    [
        (CUBE, list(range(9)), "9 trials"),
        (CUBE, [0.5] * 20, "equal"),
        (CUBE, [math.inf] * 20, "equal"),
        (Space({"x": Fixed(1)}), list(range(20)), "no hyperparameter varies"),
    ],
)
def test_impossible_analyses_are_refused(space: Space, losses: list[float], reason: str) -> None:
    rng = np.random.default_rng(0)
    table = Table.of(space, [space.sample(rng) for _ in losses], losses)
    with pytest.raises(InvalidInput, match=reason):
        VarianceAnalysis.of(table)


def test_losses_must_be_numbers() -> None:
    with pytest.raises(InvalidInput, match="NaN"):
        Table.of(CUBE, [CUBE.default()], [math.nan])
    with pytest.raises(InvalidInput, match="shape"):
        Table.of(CUBE, [CUBE.default()], [1.0, 2.0])


def test_many_categories_are_bounded() -> None:
    """Four of 30 values have 5,000 products of two; these are left out."""
    space = Space({f"k{n}": Choice([f"v{value}" for value in range(30)]) for n in range(4)})
    variance = VarianceAnalysis.of(drawn(space, lambda c: float(str(c["k0"])[1:]), 120))
    assert len(variance.functions.of) == 4 * 29
    assert variance.interactions() == []
    assert variance.shares()[0].share > 0.9


def test_a_rarely_active_hyperparameter_has_an_unknown_share() -> None:
    only_x = by_name(
        VarianceAnalysis.of(drawn(CONDITIONAL, lambda c: float(c["kind"] == "x"), 20)).shares()
    )["only_x",]
    assert only_x.num_trials < 10
    assert (only_x.low, only_x.high) == (0.0, 1.0)


# -- dependence


def test_partial_dependence_follows_the_function_within_its_band() -> None:
    rng = np.random.default_rng(0)
    table = drawn(
        CUBE,
        lambda c: (
            4 * (float(c["a"]) - 0.3) ** 2 + 0.5 * float(c["b"]) + 0.1 * rng.standard_normal()
        ),
        150,
    )
    found = partial_dependence(VarianceAnalysis.of(table), "a")
    truth = np.array([4 * (float(a) - 0.3) ** 2 + 0.25 for a in found.values])
    assert np.abs(found.mean - truth).max() < 0.15  # of a range of 2
    assert np.mean((found.low <= truth) & (truth <= found.high)) > 0.7
    assert all(found.supported)


def test_partial_dependence_of_categorical_and_conditional_hyperparameters() -> None:
    def loss(c: Configuration) -> float:
        return {"x": 1.0, "y": 5.0, "z": 9.0}[str(c["kind"])] + (
            3 * float(c["only_x"]) if "only_x" in c else 0.0
        )

    variance = VarianceAnalysis.of(drawn(CONDITIONAL, loss, 100))
    kind = partial_dependence(variance, "kind")
    assert kind.values == ("x", "y", "z")
    np.testing.assert_allclose(kind.mean, [2.5, 5, 9], atol=0.1)
    only = partial_dependence(variance, "only_x")
    np.testing.assert_allclose(only.mean, [1 + 3 * float(v) for v in only.values], atol=0.15)


def test_values_with_few_trials_are_marked() -> None:
    rng = np.random.default_rng(0)
    configs = [CUBE.decode([0.5 * u[0], *u[1:]]) for u in rng.random((60, 4))]
    variance = VarianceAnalysis.of(Table.of(CUBE, configs, [additive(c) for c in configs]))
    found = partial_dependence(variance, "a")
    assert all(found.supported[2:22])
    assert not any(found.supported[30:])
    with pytest.raises(InvalidInput, match="one that varies: a, b, c, d"):
        partial_dependence(variance, "e")


# -- the parts


@pytest.mark.parametrize("space", [CUBE, CONDITIONAL])
def test_functions_are_orthonormal_over_the_space(space: Space) -> None:
    """Means over 40,000 configurations; the largest of some thousand deviates by 4.5 / 200."""
    functions = BasisFunctions.over(tuple(axes_of(space).values()))
    values = functions.values(*functions.draw(40_000, np.random.default_rng(0)))
    assert np.abs(values.mean(axis=0)).max() < 0.03
    assert np.abs(values.T @ values / len(values) - np.eye(values.shape[1])).max() < 0.12


def test_configurations_are_drawn_as_by_the_space() -> None:
    functions = BasisFunctions.over(tuple(axes_of(CONDITIONAL).values()))
    cells, active = functions.draw(20_000, np.random.default_rng(0))
    assert active.mean(axis=0) == pytest.approx([1, 1 / 3, 1, 1 / 3], abs=0.015)
    assert (active[:, 1] == (cells[:, 0] == 0)).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40).filter(any), st.integers(1, 10))
def test_functions_of_an_axis_are_orthonormal(counts: list[int], most: int) -> None:
    measure = np.array(counts, dtype=float) / sum(counts)
    phi = basis(measure, most)
    assert phi.shape[1] == min(most, np.count_nonzero(measure) - 1)
    np.testing.assert_allclose(phi.T @ (measure[:, None] * phi), np.eye(phi.shape[1]), atol=1e-8)
    np.testing.assert_allclose(measure @ phi, 0, atol=1e-8)


@pytest.mark.parametrize(
    "h",
    [
        Float("h", 0, 1),
        Int("h", 1, 7),
        Int("h", 1, 1000, sampling="log"),
        Int("h", 0, 9999),
        Boolean("h"),
        Choice("h", list("abcde")),
        Float("h", 0, 1, 0.25),
    ],
)
def test_cells_are_drawn_in_proportion_to_their_length(h: Any) -> None:
    """A chi-square test at 1 in 10,000, for 4,000 draws."""
    axis = axes_of(Space([h]))["h"]
    u = np.random.default_rng(0).random(4000)
    cells = axis.cell([h.to_unit(h.from_unit(x)) for x in u.tolist()])
    counts = np.bincount(cells, minlength=len(axis.lengths))
    assert stats.chisquare(counts, 4000 * axis.lengths).pvalue > 1e-4
    assert len(axis.values) == len(axis.lengths)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=float).T
    expected = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else 0.0
    assert rank_correlation(a, b) == pytest.approx(expected)


def test_hyperparameters_that_can_never_be_active_are_left_out() -> None:
    momentum = Float("momentum", 0.0, 1.0, conditions=[Condition("optimizer", ["sgd"])])
    assert list(
        axes_of(Space([Fixed("optimizer", "adam"), Float("rate", 0.0, 1.0), momentum]))
    ) == ["rate"]
    both = Space([Choice("optimizer", ["adam", "sgd"]), Float("rate", 0.0, 1.0), momentum])
    assert list(axes_of(both)) == ["optimizer", "rate", "momentum"]
