"""What mattered, on functions of which it is known: shares, pairs, conditions, intervals, and what peers say."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paceline.core import Configuration, InvalidInput
from paceline.space import Boolean, Choice, Condition, Fixed, Float, Int, Space
from paceline.stats import ped_anova
from paceline.stats.axes import axes_of, basis
from paceline.stats.densities import divergence
from paceline.stats.dependence import dependence
from paceline.stats.forest import TREES, grow, rank_correlation
from paceline.stats.importance import Share, Variance
from paceline.stats.squares import squared_length
from paceline.stats.table import Table
from paceline.stats.trees import grow_trees

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


def additive(c: Configuration) -> float:
    return math.sqrt(0.6) * even(c["a"]) + math.sqrt(0.3) * even(c["b"]) + math.sqrt(0.1) * even(c["c"])


def product(c: Configuration) -> float:
    return math.sqrt(0.3) * even(c["a"]) + math.sqrt(0.7) * even(c["b"]) * even(c["c"])


def test_shares_of_a_sum_are_those_of_its_parts() -> None:
    found = by_name(Variance.of(drawn(CUBE, additive, 300)).shares())
    for name, truth in {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0}.items():
        assert found[name,].share == pytest.approx(truth, abs=0.06)  # four standard errors


def test_a_pair_has_what_its_parts_have_not() -> None:
    variance = Variance.of(drawn(CUBE, product, 300))
    pairs = variance.interactions()
    assert pairs[0].names == ("b", "c")
    assert pairs[0].share == pytest.approx(0.7, abs=0.12)
    assert all(pair.share < 0.03 for pair in pairs[1:])
    assert by_name(variance.shares())["b",].share < 0.08


def test_a_conditional_number_has_the_share_of_where_it_is_active() -> None:
    def loss(c: Configuration) -> float:
        kind = {"x": 1.0, "y": 0.0, "z": -1.0}[str(c["kind"])] * math.sqrt(1.5)
        return math.sqrt(0.5) * kind + (math.sqrt(1.5) * even(c["only_x"]) if "only_x" in c else 0.0)

    table = drawn(CONDITIONAL, loss, 400)
    found = by_name(Variance.of(table).shares())
    assert found["kind",].share == pytest.approx(0.5, abs=0.1)
    assert found["only_x",].share == pytest.approx(0.5, abs=0.1)  # 1.5 where it is active: a third of the space
    assert found["units_3",].share < 0.03
    assert ("same",) not in found
    assert found["only_x",].num_trials == sum(table.active[:, 1])
    assert by_name(ped_anova.shares(table))["only_x",].share > by_name(ped_anova.shares(table))["layers",].high


def test_trials_that_a_search_chose_itself_do_not_pull_the_shares() -> None:
    """30 trials drawn evenly and 170 close to the best corner; the shares are those of the space all the same."""
    rng = np.random.default_rng(3)
    U = np.concatenate([rng.random((30, 4)), np.clip(0.1 + 0.07 * rng.standard_normal((170, 4)), 0, 1)])
    configs = [CUBE.decode(u) for u in U]
    losses = [additive(c) for c in configs]
    found = by_name(Variance.of(Table.of(CUBE, configs, losses, even=[True] * 30 + [False] * 170)).shares())
    assert found["a",].low <= 0.6 <= found["a",].high
    assert found["b",].low <= 0.3 <= found["b",].high
    assert found["a",].share > found["b",].share > found["c",].share


@pytest.mark.parametrize("loss", [additive, product])
def test_intervals_hold_the_truth(loss: Loss) -> None:
    """30 or 10 intervals of studies of 100 trials; with 95 % each, 6 or 4 are missed less than once in 250 runs."""
    shares = {"a": 0.6, "b": 0.3, "c": 0.1} if loss is additive else {"a": 0.3}
    missed = 0
    for seed in range(10):
        found = by_name(Variance.of(drawn(CUBE, loss, 100, seed)).shares())
        for name, truth in shares.items():
            missed += not found[name,].low <= truth <= found[name,].high
        assert found["d",].low < 0.01
    assert missed <= (5 if loss is additive else 3)


def test_the_same_seed_says_the_same() -> None:
    table = drawn(CUBE, product, 60)
    again = drawn(CUBE, product, 60)
    assert Variance.of(table).interactions() == Variance.of(again).interactions()
    assert ped_anova.shares(table) == ped_anova.shares(again)


def test_the_scale_of_losses_changes_nothing() -> None:
    table = drawn(CUBE, product, 60)
    scaled = dataclasses.replace(table, losses=1e-12 * table.losses - 3e-12)
    for one, other in zip(Variance.of(table).shares(), Variance.of(scaled).shares(), strict=True):
        assert one.share == pytest.approx(other.share, rel=1e-6)


def test_quality_is_that_of_trials_not_seen() -> None:
    rng = np.random.default_rng(0)
    noise = Variance.of(drawn(CUBE, lambda c: float(rng.standard_normal()), 100)).quality
    assert noise.r2 < 0.1
    assert not noise.enough
    good = Variance.of(drawn(CUBE, additive, 100)).quality
    assert good.r2 > 0.7
    assert good.rank_correlation > 0.85
    assert good.enough


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=float).T
    expected = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else 0.0
    assert rank_correlation(a, b) == pytest.approx(expected)


# -- against Optuna


def optuna_study(table: Table, space: Space, configs: list[Configuration]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for h in space:
        if isinstance(h, Float):
            distributions[h.name] = optuna.distributions.FloatDistribution(h.min_value, h.max_value)
        elif isinstance(h, Int):
            distributions[h.name] = optuna.distributions.IntDistribution(h.min_value, h.max_value)
        elif isinstance(h, Choice):
            distributions[h.name] = optuna.distributions.CategoricalDistribution(h.values)
    study = optuna.create_study()
    for config, loss in zip(configs, table.losses.tolist(), strict=True):
        of_config = {name: distributions[name] for name in config}
        study.add_trial(optuna.trial.create_trial(params=dict(config), distributions=of_config, value=loss))
    return study


def test_densities_give_optunas_ped_anova() -> None:
    space = Space(
        {
            "kind": Choice(["x", "y", "z"]),
            "only_x": Int(0, 9, conditions=[Condition("kind", "x")]),
            "layers": Int(1, 4),
            "rate": Float(0, 1),
        }
    )

    def loss(c: Configuration) -> float:
        return abs(float(c["rate"]) - 0.3) + 0.2 * int(c["layers"]) + 0.1 * int(c.get("only_x", 4)) + (c["kind"] == "z")

    rng = np.random.default_rng(1)
    configs: list[Configuration] = [space.sample(rng) for _ in range(300)]
    table = Table.of(space, configs, [loss(c) for c in configs])
    ours = divergence(table)
    theirs = optuna.importance.PedAnovaImportanceEvaluator().evaluate(optuna_study(table, space, configs))
    theirs = {name: value / 0.09 for name, value in theirs.items()}  # gamma (1 - gamma)
    for name in ("kind", "only_x", "layers"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-6)
    assert ours["rate"] == pytest.approx(theirs["rate"], rel=0.05)  # their outer cells are half as wide


def test_shares_of_the_best_are_in_the_order_of_the_published_estimator() -> None:
    table = drawn(CUBE, additive, 600)
    ours = {share.names[0]: share.share for share in ped_anova.shares(table)}
    published = divergence(table)
    assert sorted(ours, key=ours.__getitem__)[1:] == sorted(published, key=published.__getitem__)[1:]
    assert ours["d"] < published["d"]  # chance is taken off


def test_fanova_has_optunas_order_and_nearly_its_values() -> None:
    table = drawn(CUBE, additive, 120)
    rng = np.random.default_rng(0)
    configs: list[Configuration] = [CUBE.sample(rng) for _ in range(120)]
    study = optuna_study(table, CUBE, configs)
    theirs = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=0).evaluate(study)
    ours = {share.names[0]: share.share for share in Variance.of(table).shares()}
    assert sorted(ours, key=ours.__getitem__) == sorted(theirs, key=theirs.__getitem__)
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], abs=0.15)  # theirs are those of trees that overlook small effects


# -- against scikit-learn


def test_the_forest_foresees_as_well_as_scikit_learns() -> None:
    """Means of 8 studies; a single difference has a standard deviation of about 0.015."""
    from sklearn.ensemble import ExtraTreesRegressor

    differences = []
    for seed in range(8):
        table = drawn(CUBE, product if seed % 2 else additive, 80, seed)
        theirs = ExtraTreesRegressor(TREES, bootstrap=True, oob_score=True, random_state=seed)
        differences.append(grow(table).quality.r2 - theirs.fit(table.cells, table.losses).oob_score_)
    assert np.mean(differences) == pytest.approx(0, abs=0.025)


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(0, 1000))
def test_boxes_of_a_tree_tile_the_cells_and_foresee_what_they_hold(num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [5, 3, 2]
    cells = np.stack([rng.integers(0, size, num) for size in sizes], axis=1)
    losses = rng.integers(0, 4, num).astype(float)
    trees = grow_trees(cells, sizes, losses, 3, rng)
    assert np.prod(trees.high - trees.low, axis=1).sum() == 3 * math.prod(sizes)
    for tree in range(3):
        seen = np.flatnonzero(trees.drawn[tree])
        for one in seen:  # a fully grown tree foresees what it saw, or the mean of what lies in the same place
            same = [other for other in seen if (cells[other] == cells[one]).all()]
            mean = np.average(losses[same], weights=trees.drawn[tree, same])
            assert trees.foreseen[tree, one] == pytest.approx(mean, abs=1e-5)


# -- which trials are among the best


def test_stopped_trials_are_never_among_the_best() -> None:
    """The half with small ``a`` looks best but was stopped: what is left of the best has a large ``a``."""
    table = drawn(CUBE, lambda c: float(c["a"]), 100)
    a = table.cells[:, 0] / 50
    all_count = by_name(ped_anova.shares(table))
    assert all_count["a",].share > 0.5
    best = ped_anova.are_best(ped_anova.without(a < 0.5, table.losses), np.ones((1, 100)))[0]
    assert best.sum() == 10
    assert (a[best] >= 0.5).all()
    every = by_name(ped_anova.shares(table, np.ones(100, dtype=bool)))
    assert every["a",].high == 0.0


def test_of_a_hyperparameter_that_was_hardly_ever_active_nothing_is_known() -> None:
    table = drawn(CONDITIONAL, lambda c: float(c["kind"] == "x"), 20)
    for shares in (Variance.of(table).shares(), ped_anova.shares(table)):
        only_x = by_name(shares)["only_x",]
        assert only_x.num_trials < 10
        assert (only_x.low, only_x.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("space", "losses", "reason"),
    [
        (CUBE, list(range(9)), "9 trials"),
        (CUBE, [0.5] * 20, "equal"),
        (Space({"x": Fixed(1)}), list(range(20)), "no hyperparameter varies"),
    ],
)
def test_what_cannot_be_told_is_said(space: Space, losses: list[float], reason: str) -> None:
    rng = np.random.default_rng(0)
    table = Table.of(space, [space.sample(rng) for _ in losses], losses)
    with pytest.raises(InvalidInput, match=reason):
        Variance.of(table)
    with pytest.raises(InvalidInput, match=reason):
        ped_anova.shares(table)


def test_losses_have_to_be_finite() -> None:
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        Table.of(CUBE, [CUBE.default()], [math.nan])
    with pytest.raises(InvalidInput, match="shape"):
        Table.of(CUBE, [CUBE.default()], [1.0, 2.0])


# -- dependence


def test_dependence_follows_the_function_within_its_band() -> None:
    """The band holds 89 % of the points on average over 30 studies; the mean of five has a spread of 3 %."""
    held = []
    for seed in range(5):
        table = drawn(CUBE, lambda c: 4 * (float(c["a"]) - 0.3) ** 2 + 0.5 * float(c["b"]), 300, seed)
        found = dependence(Variance.of(table), "a")
        truth = np.array([4 * (float(a) - 0.3) ** 2 + 0.25 for a in found.values])
        assert np.abs(found.mean - truth).max() < 0.15  # of a range of 2; the largest of 30 was 0.11
        held.append(np.mean((found.low <= truth) & (truth <= found.high)))
        assert all(found.supported)
    assert np.mean(held) > 0.75


def test_dependence_of_a_category_and_of_a_conditional_number() -> None:
    def loss(c: Configuration) -> float:
        return {"x": 1.0, "y": 5.0, "z": 9.0}[str(c["kind"])] + (3 * float(c["only_x"]) if "only_x" in c else 0.0)

    variance = Variance.of(drawn(CONDITIONAL, loss, 300))
    kind = dependence(variance, "kind")
    assert kind.values == ("x", "y", "z")
    np.testing.assert_allclose(kind.mean, [2.5, 5, 9], atol=0.35)
    only = dependence(variance, "only_x")
    np.testing.assert_allclose(only.mean, [1 + 3 * float(v) for v in only.values], atol=0.5)


def test_values_that_few_trials_tried_are_marked() -> None:
    rng = np.random.default_rng(0)
    configs = [CUBE.decode([0.5 * u[0], *u[1:]]) for u in rng.random((60, 4))]
    found = dependence(Variance.of(Table.of(CUBE, configs, [additive(c) for c in configs])), "a")
    assert all(found.supported[2:22])
    assert not any(found.supported[30:])
    with pytest.raises(InvalidInput, match="one that varies: a, b, c, d"):
        dependence(Variance.of(drawn(CUBE, additive, 20)), "e")


# -- the parts


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40).filter(any), st.integers(1, 10))
def test_functions_are_orthonormal(counts: list[int], most: int) -> None:
    measure = np.array(counts, dtype=float) / sum(counts)
    phi = basis(measure, most)
    assert phi.shape[1] == min(most, np.count_nonzero(measure) - 1)
    np.testing.assert_allclose(phi.T @ (measure[:, None] * phi), np.eye(phi.shape[1]), atol=1e-8)
    np.testing.assert_allclose(measure @ phi, 0, atol=1e-8)


@pytest.mark.parametrize(
    "h",
    [Float("h", 0, 1), Int("h", 1, 7), Int("h", 1, 1000, sampling="log"), Int("h", 0, 9999), Boolean("h"),
     Choice("h", list("abcde")), Float("h", 0, 1, 0.25)],
)  # fmt: skip
def test_cells_are_drawn_as_often_as_they_are_long(h: Any) -> None:
    """Of 4,000 draws, a chi-square test at 1 in 10,000."""
    axis = axes_of(Space([h]))["h"]
    u = np.random.default_rng(0).random(4000)
    cells = axis.cell([h.to_unit(h.from_unit(x)) for x in u.tolist()])
    counts = np.bincount(cells, minlength=len(axis.lengths))
    assert stats.chisquare(counts, 4000 * axis.lengths).pvalue > 1e-4
    assert len(axis.values) == len(axis.lengths)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 8), st.integers(1, 6), st.integers(0, 1000))
def test_squared_length_covers(length: float, size: int, seed: int) -> None:
    """200 Gaussian vectors; an interval that covers in 95 % of cases is under 175 less than once in 10,000."""
    rng = np.random.default_rng(seed)
    c = np.zeros(size)
    c[0] = length
    noise = rng.standard_normal((1000, size))
    found = [squared_length(c + e, noise) for e in rng.standard_normal((200, size))]
    assert sum(one.low <= length**2 <= one.high for one in found) >= 175
    assert all(one.low <= one.value <= one.high for one in found)
    assert all(one.value <= one.raw + 1e-9 for one in found if size > 3)


def test_what_can_never_be_active_is_left_out() -> None:
    momentum = Float("momentum", 0.0, 1.0, conditions=[Condition("optimizer", ["sgd"])])
    assert list(axes_of(Space([Fixed("optimizer", "adam"), Float("rate", 0.0, 1.0), momentum]))) == ["rate"]
    both = Space([Choice("optimizer", ["adam", "sgd"]), Float("rate", 0.0, 1.0), momentum])
    assert list(axes_of(both)) == ["optimizer", "rate", "momentum"]
