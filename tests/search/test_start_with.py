"""Initial configurations before another strategy."""

import json

import pytest

from paceline.core import InvalidInput
from paceline.search import Given, Grid, History, Random, Sobol, StartWith, Strategy, restore
from paceline.space import Choice, Condition, Float, Int, Space
from paceline.testing.strategies import CONTINUOUS, StrategyContract, ask_all

SPACE = Space(
    {
        "layers": Int(1, 3),
        "units": Choice([16, 32]),
        "rate": Float(0, 1, conditions=[Condition("layers", 3)]),
    }
)


class TestStartWithNothing(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return StartWith((), Sobol(0))


class TestStartWithDefaults(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return StartWith(({}, {}), Random(0))


def test_initial_configurations_come_first_without_duplicates() -> None:
    strategy = StartWith(
        ({"layers": 3}, {"units": 32, "rate": 0.5}, {"layers": 3, "units": 16}), Random(1)
    )
    proposals = ask_all(strategy, SPACE, [1, 4])
    assert [dict(p.config) for p in proposals[:2]] == [
        {"layers": 3, "units": 16, "rate": 0.0},
        {"layers": 1, "units": 32},
    ]
    assert [p.origin for p in proposals] == ["given", "given", "random", "random", "random"]
    assert len({p.key for p in proposals}) == 5
    assert proposals[2:] == ask_all(Random(1), SPACE, [3], seen={p.key for p in proposals[:2]})


def test_tried_configurations_are_skipped() -> None:
    seen = {SPACE.key(SPACE.complete({"units": 32}))}
    proposals = ask_all(StartWith(({"units": 32}, {"layers": 2}), Sobol(0)), SPACE, [3], seen)
    assert [p.origin for p in proposals] == ["given", "default", "sobol"]


def test_it_resumes_from_json_in_the_middle() -> None:
    strategy: Strategy = StartWith(({"units": 3}, {"units": 2}), Random(3))
    uninterrupted = ask_all(strategy, CONTINUOUS, [1, 3, 2])
    seen: set[str] = set()
    for count in (1, 3, 2):
        strategy, answer = restore(json.loads(json.dumps(strategy.to_json()))).ask(
            CONTINUOUS, History(seen), count
        )
        assert answer == tuple(uninterrupted[len(seen) : len(seen) + count])
        seen.update(p.key for p in answer)


def test_it_is_exhausted_when_the_given_and_the_other_strategy_are() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    strategy = StartWith(({"x": 0.123},), Grid(samples=2))
    assert strategy.size(space) == 5
    proposals = ask_all(strategy, space, [9])
    assert len(proposals) == 5
    grid = {p.key for p in proposals[1:]}
    assert strategy.exhausted(space, History(grid)) is None
    assert (
        strategy.exhausted(space, History({p.key for p in proposals}))
        == "all 4 points of the grid have been tried"
    )
    assert StartWith(({"layers": 2},), Given(())).size(SPACE) == 1


@pytest.mark.parametrize(
    ("configs", "words"),
    [
        (
            ({}, {"depth": 2}),
            r"start_with\[1\]: 'depth' is not a hyperparameter.*layers, units, rate",
        ),
        (({"layers": 7},), r"start_with\[0\]: value of Int 'layers' is 7"),
        (({"rate": "big"},), r"start_with\[0\]: value of Float 'rate' is 'big'"),
        (
            ({"units": 17},),
            r"start_with\[0\]: value of Choice 'units' is 17; expected one of \[16, 32\]",
        ),
    ],
)
def test_illegal_configurations_are_named(
    configs: tuple[dict[str, object], ...], words: str
) -> None:
    strategy = StartWith(configs, Random(0))  # type: ignore[arg-type]
    for refused in (lambda: strategy.complete(SPACE), lambda: strategy.ask(SPACE, History(), 1)):
        with pytest.raises(InvalidInput, match=words):
            refused()


def test_invalid_lists_are_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"start_with is \{'units': 32\}.*Put a single one into a list"
    ):
        StartWith({"units": 32}, Random(0))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"start_with is 3"):
        StartWith(3, Random(0))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"start_with\[1\] is 'units'"):
        StartWith(({}, "units"), Random(0))  # type: ignore[arg-type]
