"""The strategy that proposes a fixed list."""

import json

import pytest

from paceline.core import InvalidInput
from paceline.search import Given, History, restore
from paceline.space import Choice, Int, Space

SPACE = Space({"layers": Int(1, 3), "units": Choice([16, 32])})


def test_configurations_in_order_completed_without_duplicates() -> None:
    strategy = Given(({"layers": 2}, {"units": 32}, {"layers": 2, "units": 16}))
    assert strategy.size(SPACE) == 2
    strategy, two = strategy.ask(SPACE, History(), 5)
    assert [dict(p.config) for p in two] == [{"layers": 2, "units": 16}, {"layers": 1, "units": 32}]
    seen = frozenset(p.key for p in two)
    assert strategy.ask(SPACE, History(seen), 1)[1] == ()
    assert strategy.exhausted(SPACE, History(seen)) == "all given configurations have been tried"
    assert strategy.exhausted(SPACE, History()) is None


def test_it_can_be_restored_from_json() -> None:
    strategy = Given(({"layers": 2},))
    assert restore(json.loads(json.dumps(strategy.to_json()))) == strategy


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidInput, match="depth"):
        Given(({"depth": 2},)).ask(SPACE, History(), 1)
