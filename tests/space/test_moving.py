"""Configurations in a changed space: whole, partial, or outside."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.space.test_space_properties import spaces

from paceline.space import Boolean, Choice, Condition, Fixed, Float, Int, Space, differences, move

RATE, K = Float("rate", 0.01, 0.1, sampling="log"), Int("k", 1, 8)
KIND = Choice("kind", ["adam", "sgd"])
MOMENTUM = Float("momentum", 0.0, 0.9, conditions=[Condition("kind", "sgd")])
TRIED: dict[str, Any] = {"rate": 0.05, "k": 6}

CHANGES: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any] | None, bool]] = {
    "wider": ([RATE, K], [Float("rate", 0.001, 1.0), K], TRIED, TRIED, True),
    "narrower, inside": ([RATE, K], [RATE, Int("k", 4, 8)], TRIED, TRIED, True),
    "narrower, outside": ([RATE, K], [RATE, Int("k", 1, 4)], TRIED, None, False),
    "off the steps": ([K], [Int("k", 1, 9, step=4)], {"k": 6}, None, False),
    "dropped": ([RATE, K], [RATE], TRIED, {"rate": 0.05}, False),
    "fixed at its value": ([RATE, K], [RATE, Fixed("k", 6)], TRIED, TRIED, True),
    "fixed at another": ([RATE, K], [RATE, Fixed("k", 7)], TRIED, None, False),
    "new": ([RATE], [RATE, K], {"rate": 0.05}, None, False),
    "new, with one value": ([RATE], [RATE, Fixed("k", 2)], {"rate": 0.05}, None, False),
    "gone, with one value": (
        [RATE, Fixed("k", 2)],
        [RATE],
        {"rate": 0.05, "k": 2},
        {"rate": 0.05},
        True,
    ),
    "a choice more": (
        [KIND],
        [Choice("kind", ["adam", "sgd", "lion"])],
        {"kind": "sgd"},
        {"kind": "sgd"},
        True,
    ),
    "a choice less": ([KIND], [Choice("kind", ["adam"])], {"kind": "sgd"}, None, False),
    "new, where it is not active": (
        [KIND],
        [KIND, MOMENTUM],
        {"kind": "adam"},
        {"kind": "adam"},
        True,
    ),
    "new, where it is active": ([KIND], [KIND, MOMENTUM], {"kind": "sgd"}, None, False),
    "another type": ([K], [Float("k", 1, 8)], {"k": 6}, {"k": 6.0}, False),
    "another default": ([K], [Int("k", 1, 8, default=3)], {"k": 6}, {"k": 6}, True),
    "another default of what joined later": (
        [RATE, K],
        [RATE, Int("k", 1, 8, default=3)],
        {"rate": 0.05},
        {"rate": 0.05, "k": 1},
        False,
    ),
    "a condition": (
        [KIND, K],
        [KIND, K.with_conditions([Condition("kind", "sgd")])],
        {"kind": "adam", "k": 2},
        {"kind": "adam"},
        False,
    ),
    "another order": ([RATE, K], [K, RATE], TRIED, TRIED, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_configurations_in_a_changed_space(change: str) -> None:
    before, after, config, expected, is_whole = CHANGES[change]
    moved = move(config, Space(before), Space(after))
    assert moved.config == expected
    assert moved.is_whole is is_whole


def test_configurations_outside_the_earlier_space_get_no_defaults() -> None:
    assert move({"rate": 0.05}, None, Space([RATE, K])).config is None
    assert move(TRIED, None, Space([Float("rate", 0, 1), K])).is_whole


def test_differences_are_described_by_name() -> None:
    before = Space([RATE, KIND, K, MOMENTUM])
    now = Space(
        [
            Float("rate", 0.001, 0.1, sampling="log"),
            KIND,
            Boolean("nesterov"),
            MOMENTUM.with_conditions([]),
        ]
    )
    assert differences(before, now) == {
        "rate": "Float(0.01, 0.1, sampling='log') in the study, Float(0.001, 0.1, sampling='log') "
        "now",
        "k": "Int(1, 8) in the study, not now",
        "momentum": "Float(0.0, 0.9) where kind is sgd in the study, Float(0.0, 0.9) in any case "
        "now",
        "nesterov": "not in the study, Boolean() now",
    }
    assert differences(before, before) == {}


@settings(deadline=None, max_examples=150)
@given(spaces(), spaces(), st.integers(0, 2**32 - 1), st.booleans())
def test_moved_configurations_belong_to_the_new_space(
    before: Space, after: Space, seed: int, is_known: bool
) -> None:
    config = before.sample(np.random.default_rng(seed))
    moved = move(config, before if is_known else None, after)
    if moved.config is None:
        assert not moved.is_whole
        return
    assert after.complete(moved.config) == moved.config
    assert after.decode(after.encode(moved.config)) == moved.config
    if moved.is_whole:
        # a range keeps so many digits of a number: what it makes of the one is what it makes of the
        # other
        assert after.project(config) == moved.config
        assert after.key(config) == after.key(moved.config)
        assert all(
            type(moved.config[name]) is type(value)
            for name, value in config.items()
            if name in moved.config
        )


@settings(deadline=None, max_examples=100)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_the_same_space_changes_nothing(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    moved = move(config, space, Space.from_json(space.to_json()))
    assert (moved.config, moved.is_whole) == (config, True)
    assert differences(space, Space.from_json(space.to_json())) == {}
