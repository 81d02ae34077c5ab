"""Grid, random and Sobol search."""

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from scipy.stats import qmc

from paceline.core import InvalidInput
from paceline.search import Grid, History, Random, Sobol, Strategy, create, restore, strategy_names
from paceline.search.sobol_points import points
from paceline.space import Boolean, Choice, Condition, Float, Int, Space
from paceline.testing.strategies import CONTINUOUS, FINITE, StrategyContract, ask_all


class TestGrid(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Grid()


class TestRandom(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Random(seed=0)


class TestSobol(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Sobol(seed=0)


DICE = Space([Int(name, 1, 6) for name in "abcd"])


@pytest.mark.parametrize("name", strategy_names())
def test_a_strategy_has_a_name(name: str) -> None:
    strategy = create(name, seed=0)
    assert strategy.name == {"auto": "bayes"}.get(name, name)
    assert create(strategy, seed=1) is strategy
    assert restore(strategy.to_json()) == strategy


def test_invalid_strategies_are_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"search is 'radnom'.*'grid', 'random', 'sobol'.*Did you mean 'random'"
    ):
        create("radnom", seed=0)
    with pytest.raises(InvalidInput, match="seed is -1"):
        create("random", seed=-1)
    with pytest.raises(InvalidInput, match="seed is True"):
        Sobol(seed=True)
    with pytest.raises(InvalidInput, match="samples is 0"):
        Grid(samples=0)
    with pytest.raises(InvalidInput, match="strategy is None"):
        restore({})


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_seeds_matter_including_zero(name: str) -> None:
    streams = [ask_all(create(name, seed), CONTINUOUS, [10]) for seed in (0, 0, 1, 2)]
    assert streams[0] == streams[1]
    keys = [{proposal.key for proposal in stream} - {"{}"} for stream in streams[1:]]
    assert len(keys[0] | keys[1] | keys[2]) == sum(map(len, keys))


@pytest.mark.parametrize("name", ["grid", "sobol"])
def test_the_default_comes_first(name: str) -> None:
    first, second = ask_all(create(name, 0), FINITE, [2])
    assert (dict(first.config), first.origin) == (FINITE.default(), "default")
    assert second.origin == name


def test_a_default_in_seen_is_skipped() -> None:
    proposals = ask_all(Sobol(0), FINITE, [3], seen=[FINITE.key(FINITE.default())])
    assert [proposal.origin for proposal in proposals] == ["sobol"] * 3
    assert FINITE.default() not in [proposal.config for proposal in proposals]


def test_the_grid_is_that_of_the_space() -> None:
    expected = list(islice(CONTINUOUS.grid(3), 50))
    assert [proposal.config for proposal in ask_all(Grid(samples=3), CONTINUOUS, [50])] == expected
    plane = Space([Float("x", 0, 1), Float("y", 0, 1)])
    assert Grid(samples=5).size(plane) == 25
    proposals = ask_all(Grid(samples=5), plane, [30])
    assert len(proposals) == 25
    seen = History({proposal.key for proposal in proposals})
    assert Grid(samples=5).exhausted(plane, seen) == "all 25 points of the grid have been tried"


def test_random_follows_the_sampling() -> None:
    # 1,000 draws: each share is within 0.08 of one half but once in about 2 million seeds; the seed
    # is fixed besides.
    configs = [proposal.config for proposal in ask_all(Random(0), CONTINUOUS, [1000])]
    assert abs(np.mean([config["optimizer"] == "sgd" for config in configs]) - 0.5) < 0.08
    assert (
        abs(np.mean([float(config["learning_rate"]) < 10**-2.5 for config in configs]) - 0.5) < 0.08
    )
    assert all(("momentum" in config) == (config["optimizer"] == "sgd") for config in configs)


def test_sobol_is_spread_more_evenly_than_random() -> None:
    square = Space([Float("x", 0, 1), Float("y", 0, 1)])

    def cells(strategy: Strategy) -> int:
        points = np.array(
            [square.encode(proposal.config) for proposal in ask_all(strategy, square, [257])[1:]]
        )
        return len(np.unique(np.floor(points * 16).astype(int), axis=0))

    assert (
        cells(Sobol(3)) >= 255
    )  # one point in each of 16 x 16 cells; the 257th opens the next block
    assert cells(Random(3)) < 200  # 256 (1 - 1/e) = 162 expected


@pytest.mark.parametrize("dimensions", [1, 2, 5, 40, 300])
def test_sobol_points_are_those_of_scipy(dimensions: int) -> None:
    """Bit for bit, so that studies of earlier versions continue as they began."""
    for seed, block in ((0, 0), (7, 1), (2**40, 0), (3, 5), (3, 1023)):
        engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
        if block:
            engine.fast_forward(block * 256)
        expected = engine.random(256)
        assert (points(dimensions, seed, block) == expected).all()


def test_sobol_points_do_not_load_all_distributions_of_scipy() -> None:
    """That takes half a second at the beginning of each study."""
    script = (
        "import sys; from paceline.search.sobol_points import points; points(3, 1, 0); "
        "assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_the_last_configurations_of_a_large_space_are_found(name: str) -> None:
    everything = {DICE.key(config) for config in DICE.grid()}
    left = set(sorted(everything)[::100])
    proposals = ask_all(create(name, 0), DICE, [5] * 5, seen=everything - left)
    assert {proposal.key for proposal in proposals} == left
    assert len(proposals) == len(left) == 13


@pytest.mark.parametrize("name", strategy_names())
def test_keys_outside_the_space_do_not_end_the_search(name: str) -> None:
    foreign = {f"of another space {i}" for i in range(100)}
    proposals = ask_all(create(name, 0), FINITE, [40], seen=foreign)
    assert len(proposals) == 40
    two_left = History(foreign | {proposal.key for proposal in proposals})
    assert create(name, 0).exhausted(FINITE, two_left) is None


def test_space_grows_by_a_condition() -> None:
    space = Space([Boolean("deep")])
    strategy, first = create("grid", 0).ask(space, History(), 2)
    grown = space.with_hyperparameter(Choice("width", [1, 2]))
    seen = {proposal.key for proposal in first}
    assert [dict(p.config) for p in strategy.ask(grown, History(seen), 9)[1]] == [
        {"deep": False, "width": 2},
        {"deep": True, "width": 2},
    ]


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_exhaustion_is_detected_without_a_size(name: str) -> None:
    space = Space(
        [Boolean("a"), Float("never", 0, 1, conditions=[Condition("a", "no such value")])]
    )
    proposals = ask_all(create(name, 0), space, [5, 5])
    assert len(proposals) == 2
    assert (
        create(name, 0).exhausted(space, History({p.key for p in proposals}))
        == "no new configuration was found"
    )
