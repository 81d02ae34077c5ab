"""The space as a whole: membership, conditions, completion, sizes."""

import numpy as np
import pytest

from paceline.core import InvalidInput
from paceline.space import (
    Boolean,
    Choice,
    Condition,
    Fixed,
    Float,
    Int,
    Space,
    hyperparameter_from_json,
)

LAYERS = Space(
    [
        Int("layers", 1, 3),
        Choice("units_0", [16, 32]),
        Choice("units_1", [16, 32], conditions=[Condition("layers", (2, 3))]),
        Choice("units_2", [16, 32], conditions=[Condition("layers", 3)]),
    ]
)
NESTED = Space(
    {
        "augment": Boolean(),
        "kind": Choice(["flip", "turn"], conditions=[Condition("augment", True)]),
        "angle": Int(1, 5, conditions=[Condition("kind", "turn")]),
    }
)


def test_a_space_is_a_collection() -> None:
    assert LAYERS.names == ("layers", "units_0", "units_1", "units_2")
    assert len(LAYERS) == 4
    assert "layers" in LAYERS
    assert "depth" not in LAYERS
    assert LAYERS["layers"] == Int("layers", 1, 3)
    assert [h.name for h in LAYERS] == list(LAYERS.names)
    with pytest.raises(KeyError, match="did you mean 'layers'"):
        LAYERS["layer"]


def test_a_space_is_immutable() -> None:
    grown = LAYERS.with_hyperparameter(Boolean("bn"))
    assert len(LAYERS) == 4
    assert grown.names == (*LAYERS.names, "bn")
    replaced = grown.with_hyperparameter(Int("layers", 1, 9))
    assert replaced.names == grown.names
    assert replaced["layers"] == Int("layers", 1, 9)
    assert len({LAYERS, Space(LAYERS), grown}) == 2


def test_sizes_count_conditions_exactly() -> None:
    assert LAYERS.size() == 2 + 4 + 8
    assert NESTED.size() == 1 + 1 + 5
    assert Space().size() == 1
    assert Space([Float("f", 0, 1)]).size() is None
    assert Space([Float("f", 0, 1)]).grid_size(7) == 7
    assert Space([Float("f", 0, 1, default=0.123)]).grid_size(7) == 8
    assert list(Space().grid()) == [{}]


def test_sizes_of_large_spaces_are_quick() -> None:
    switches = [Boolean(f"use_{i}") for i in range(200)]
    rates = [Int(f"rate_{i}", 1, 9, conditions=[Condition(f"use_{i}", True)]) for i in range(200)]
    assert Space([*switches, *rates]).size() == 10**200
    root = Boolean("root")
    under = [Boolean(f"use_{i}", conditions=[Condition("root", True)]) for i in range(60)]
    below = [Int(f"rate_{i}", 1, 9, conditions=[Condition(f"use_{i}", True)]) for i in range(60)]
    assert Space([root, *under, *below]).size() == 1 + 10**60
    wide = Space([Int("n", 1, 10**9), Int("m", 1, 10**9, conditions=[Condition("n", (7, 10**9))])])
    assert wide.size() == 10**9 - 2 + 2 * 10**9
    assert wide.grid_at(wide.size() - 1) == {"n": 10**9, "m": 10**9}  # type: ignore[operator]


def test_a_configuration_has_the_active_hyperparameters() -> None:
    assert LAYERS.default() == {"layers": 1, "units_0": 16}
    assert LAYERS.complete({"layers": 2}) == {"layers": 2, "units_0": 16, "units_1": 16}
    assert LAYERS.complete({"layers": 1, "units_2": 32}) == {"layers": 1, "units_0": 16}
    assert [h.name for h in NESTED.active({"augment": True, "kind": "turn"})] == [
        "augment",
        "kind",
        "angle",
    ]
    assert [h.name for h in NESTED.active({"augment": False, "kind": "turn", "angle": 2})] == [
        "augment"
    ]
    assert list(LAYERS.complete({"units_0": 32, "layers": np.int64(1)}).items()) == [
        ("layers", 1),
        ("units_0", 32),
    ]


def test_completing_checks_names_and_values() -> None:
    with pytest.raises(
        InvalidInput,
        match="'layer' is not a hyperparameter of the space; expected did you mean 'layers'",
    ):
        LAYERS.complete({"layer": 2})
    with pytest.raises(InvalidInput, match="value of Int 'layers' is 4"):
        LAYERS.complete({"layers": 4})
    with pytest.raises(InvalidInput, match="value of Choice 'units_2' is 5"):
        LAYERS.complete({"layers": 1, "units_2": 5})


def test_keys_are_equal_for_equal_configurations() -> None:
    mixed = Space([Choice("c", [1, 1.0, True])])
    assert len({mixed.key({"c": value}) for value in (1, 1.0, True)}) == 3
    numbers = Space([Choice("c", [1.0, 2.0])])
    assert numbers.key({"c": 2}) == numbers.key({"c": 2.0})
    assert LAYERS.key({"layers": 1, "units_2": 32}) == LAYERS.key({"units_0": 16}) == LAYERS.key({})
    assert LAYERS.key({"units_0": 32, "layers": 2}) == LAYERS.key({"layers": 2, "units_0": 32})


def test_conditions_compare_exactly() -> None:
    space = Space([Choice("c", [0, False]), Int("x", 1, 2, conditions=[Condition("c", [False])])])
    assert [h.name for h in space.active({"c": 0})] == ["c"]
    assert [h.name for h in space.active({"c": False})] == ["c", "x"]
    floats = Space([Float("f", 0, 1), Int("x", 1, 2, conditions=[Condition("f", [0])])])
    assert [h.name for h in floats.active({"f": 0.0})] == ["f", "x"]


def test_condition_values_out_of_the_parents_reach_are_ignored() -> None:
    space = Space(
        [Int("layers", 1, 3), Int("units", 1, 2, conditions=[Condition("layers", [3, 4, 5, "x"])])]
    )
    assert space.size() == 2 + 2
    never = Space([Int("layers", 1, 3), Int("units", 1, 2, conditions=[Condition("layers", [7])])])
    assert never.size() == 3


def test_inactive_coordinates_are_nan() -> None:
    u = LAYERS.encode({"layers": 2, "units_0": 32})
    assert u[:3] == pytest.approx([0.5, 0.75, 0.25])
    assert np.isnan(u[3])
    assert LAYERS.decode([0.5, 0.75, np.nan, 0.3]) == {"layers": 2, "units_0": 32, "units_1": 16}
    with pytest.raises(InvalidInput, match=r"shape \[2\]; expected shape \[4\]"):
        LAYERS.decode([0.5, 0.5])


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([Int(1, 2)], "the space contains Int without a name"),
        ([Int("a", 1, 2), Boolean("a")], "two hyperparameters named 'a'"),
        ([Int("a", 1, 2, conditions=[Condition("b", 1)])], "condition on 'b'"),
        (["a"], "the space contains 'a'"),
        ([Fixed("a", 1), Int("b", 1, 2, conditions=["a"])], "expected Condition"),  # type: ignore[list-item]
    ],
)
def test_invalid_members_are_refused(members: list[Int], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Space(members)


def test_json_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="kind 'Complex'; expected one of Int, Float"):
        hyperparameter_from_json({"kind": "Complex"})


def test_samples_follow_the_sampling() -> None:
    # 2,000 draws of a fair coin: |share - 1/2| > 0.06 happens once in 10 million runs; the seed is
    # fixed besides.
    rng = np.random.default_rng(0)
    space = Space([Boolean("b"), Float("lr", 1e-4, 1.0, sampling="log")])
    drawn = [space.sample(rng) for _ in range(2000)]
    assert abs(sum(bool(c["b"]) for c in drawn) / 2000 - 0.5) < 0.06
    assert abs(sum(float(c["lr"]) < 1e-2 for c in drawn) / 2000 - 0.5) < 0.06


RATES = Space(
    [
        Choice("optimizer", ["adam", "sgd", "rmsprop"]),
        Float(
            "rate",
            1e-4,
            1e-2,
            sampling="log",
            conditions=[Condition("optimizer", ["adam", "rmsprop"])],
        ),
        Choice("rate", [0.1, 1.0], conditions=[Condition("optimizer", "sgd")]),
        Boolean("nesterov", conditions=[Condition("rate", 1.0)]),
    ]
)


def test_variants_share_a_name_and_differ_in_their_conditions() -> None:
    assert RATES.names == ("optimizer", "rate", "nesterov")
    assert len(RATES) == 4
    assert RATES.complete({"optimizer": "sgd"}) == {"optimizer": "sgd", "rate": 0.1}
    assert RATES.complete({"optimizer": "sgd", "rate": 1}) == {
        "optimizer": "sgd",
        "rate": 1.0,
        "nesterov": False,
    }
    assert np.isnan(RATES.encode({"optimizer": "sgd"})).tolist() == [False, True, False, True]
    assert list(RATES.by_label) == [
        "optimizer",
        "rate (optimizer is adam or rmsprop)",
        "rate (optimizer is sgd)",
        "nesterov",
    ]
    with pytest.raises(
        KeyError, match=r"'rate' is Float\('rate', 0.0001, 0.01, .* or Choice\('rate', \[0.1, 1.0\]"
    ):
        RATES["rate"]
    with pytest.raises(InvalidInput, match=r"value of Choice 'rate' is 0\.001"):
        RATES.complete({"optimizer": "sgd", "rate": 0.001})
    with pytest.raises(InvalidInput, match="value of Float 'rate' is 7"):
        RATES.complete({"rate": 7})
    assert RATES.with_hyperparameter(Fixed("rate", 0.5)).names == RATES.names
    assert RATES.project({"optimizer": "sgd", "rate": 0.001}) is None
    assert RATES.project({"optimizer": "adam", "rate": 0.001, "gone": 3}) == {
        "optimizer": "adam",
        "rate": 0.001,
    }


def test_variants_may_exclude_each_other_through_grandparents() -> None:
    deep = Boolean("deep")
    kind = Choice("kind", ["a", "b"], conditions=[Condition("deep", True)])
    inner = Int("n", 1, 3, conditions=[Condition("kind", "a")])
    outer = Int("n", 5, 9, conditions=[Condition("deep", False)])
    assert Space([deep, kind, inner, outer]).size() == 3 + 1 + 5
    with pytest.raises(
        InvalidInput,
        match=r"named 'n' that may be active together, Int\('n', 1, 3\) and Int\('n', 5, 9\)",
    ):
        Space([deep, kind, inner, outer.with_conditions([Condition("deep", True)])])
    with pytest.raises(
        InvalidInput, match=r"another Boolean 'deep' at its end; expected it before Choice 'kind'"
    ):
        Space([deep, kind, Boolean("deep", True)])
