"""Finding what may vary by running ``build``, and the conditions it keeps in plain Python."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import Configuration
from paceline.space import (
    Choice,
    Condition,
    Discovery,
    HyperParameters,
    Int,
    Observation,
    Space,
    contradicts,
    discover,
    infer_conditions,
)

Build = Callable[[HyperParameters], object]


def stacked(hp: HyperParameters) -> None:
    for i in range(hp.Int("layers", 1, 3)):
        hp.Int(f"units_{i}", 32, 64, step=32)
        if hp.Boolean(f"drop_{i}"):
            hp.Float(f"rate_{i}", 0.1, 0.5)
    if hp.Choice("optimizer", ["adam", "sgd"]) == "sgd":
        hp.Float("momentum", 0, 0.9)


def used(build: Build, space: Space, config: Configuration) -> tuple[str, ...]:
    hp = HyperParameters(space, config)
    build(hp)
    return hp.used


def agrees_everywhere(found: Discovery, build: Build) -> bool:
    return not any(contradicts(found.space, c, used(build, found.space, c)) for c in found.space.grid(2))


def test_plain_python_gates_become_conditions() -> None:
    found = discover(stacked)
    assert found.complete
    conditions = dict(found.inferred)
    assert conditions["units_1"] == (Condition("layers", (2, 3)),)
    assert conditions["units_2"] == (Condition("layers", 3),)
    assert conditions["rate_2"] == (Condition("drop_2", True),)
    assert conditions["momentum"] == (Condition("optimizer", "sgd"),)
    assert "units_0" not in conditions
    assert agrees_everywhere(found, stacked)
    assert found.declared.names == found.space.names
    assert not any(h.conditions for h in found.declared)


def test_nothing_is_built_twice() -> None:
    built: Counter[str] = Counter()

    def build(hp: HyperParameters) -> None:
        stacked(hp)
        built[repr(sorted(hp.config.items()))] += 1

    found = discover(build)
    assert sum(built.values()) == found.builds == len(found.observations)
    assert set(built.values()) == {1}


def test_the_first_run_is_of_the_default() -> None:
    found = discover(stacked)
    assert dict(found.observations[0].config) == found.space.default()


def test_declared_scopes_need_no_inference() -> None:
    def build(hp: HyperParameters) -> None:
        hp.Choice("model", ["mlp", "cnn"])
        with hp.conditional_scope("model", "mlp"):
            hp.Int("units", 1, 4)
        with hp.conditional_scope("model", "cnn"):
            hp.Int("filters", 1, 4)

    found = discover(build)
    assert not found.inferred
    assert found.space == found.declared
    assert found.space.size() == 4 + 4


def test_gates_inside_scopes_add_to_them() -> None:
    def build(hp: HyperParameters) -> None:
        hp.Choice("model", ["mlp", "cnn"])
        with hp.conditional_scope("model", "mlp"):
            for i in range(hp.Int("layers", 1, 2) or 0):
                hp.Int(f"units_{i}", 1, 4)

    found = discover(build)
    assert found.space["units_1"].conditions == (Condition("model", "mlp"), Condition("layers", 2))
    assert found.space.size() == 1 + 4 + 4 * 4
    assert agrees_everywhere(found, build)


def test_two_gates_at_once() -> None:
    def build(hp: HyperParameters) -> None:
        a, b = hp.Boolean("a", default=True), hp.Boolean("b", default=True)
        if a and b:
            hp.Int("x", 1, 3)

    found = discover(build)
    assert found.space["x"].conditions == (Condition("a", True), Condition("b", True))


@pytest.mark.parametrize("depth", [20, 50])
def test_long_ranges_are_bisected(depth: int) -> None:
    def build(hp: HyperParameters) -> None:
        n = hp.Int("layers", 1, depth)
        for i in range(0, n, 10):
            hp.Boolean(f"bn_{i}")

    found = discover(build)
    assert found.complete
    assert found.space["bn_10"].conditions == (Condition("layers", range(11, depth + 1)),)
    for layers in range(1, depth + 1):
        config = found.space.complete({"layers": layers})
        assert not contradicts(found.space, config, used(build, found.space, config))
    assert found.builds < 40


def test_builds_that_raise_are_recorded_and_passed_over() -> None:
    def build(hp: HyperParameters) -> None:
        if hp.Choice("kernel", [3, 5, 7]) == 5:
            raise ValueError("no such kernel")
        hp.Boolean("bias")

    found = discover(build)
    assert [dict(failed.config) for failed in found.failures] == [{"kernel": 5}]
    assert "no such kernel" in str(found.failures[0].error)
    assert not found.inferred  # that bias was not reached says nothing about bias


def test_the_limit_holds() -> None:
    calls = []

    def build(hp: HyperParameters) -> None:
        calls.append(1)
        for i in range(9):
            hp.Int(f"x{i}", 1, 9)

    found = discover(build, limit=10)
    assert len(calls) == found.builds == 10
    assert not found.complete
    assert len(found.space) == 9


def test_a_space_known_before_is_kept() -> None:
    space = Space([Choice("batch_size", [32, 64])])
    found = discover(lambda hp: hp.Int("units", 1, 2), space=space)
    assert found.space.names == ("batch_size", "units")
    assert not contradicts(found.space, {}, ["units"], outside=["batch_size"])
    assert contradicts(found.space, {}, ["units"]) == ("batch_size",)


def test_contradictions_teach() -> None:
    def build(hp: HyperParameters) -> None:
        a, b = hp.Int("a", 0, 2), hp.Int("b", 0, 2)
        if b == 2 and a != 1:
            hp.Boolean("x")

    found = discover(build)
    assert found.space["x"].conditions == (Condition("b", 2),)  # a and b were never varied together
    config = found.space.complete({"a": 1, "b": 2})
    asked = used(build, found.space, config)
    assert contradicts(found.space, config, asked) == ("x",)
    later = Observation({name: config[name] for name in asked})
    also = [Observation({"a": 2, "b": 2, "x": False}), Observation({"a": 2, "b": 0}), Observation({"a": 1, "b": 0})]
    learned, _ = infer_conditions(found.declared, [*found.observations, later, *also])
    assert learned["x"].conditions == (Condition("a", (0, 2)), Condition("b", 2))


def test_what_nothing_explains_stays_active() -> None:
    def build(hp: HyperParameters) -> None:
        a, b = hp.Boolean("a"), hp.Boolean("b")
        if a != b:
            hp.Int("x", 1, 3)

    found = discover(build)
    seen = [Observation({"a": a, "b": b, **({"x": 1} if a != b else {})}) for a in (False, True) for b in (False, True)]
    learned, inferred = infer_conditions(found.declared, seen)
    assert not inferred
    assert learned == found.declared


@st.composite
def trees(draw: st.DrawFn) -> Space:
    """Random trees of small hyperparameters: each active for some values of at most one parent."""
    chosen: list[Int] = []
    for at in range(draw(st.integers(1, 6))):
        conditions: list[Condition] = []
        parent = draw(st.sampled_from([None, *chosen]))
        if parent is not None:
            values = draw(st.lists(st.integers(parent.min_value, parent.max_value), min_size=1, max_size=3))
            conditions = [Condition(parent.name, values)]
        chosen.append(Int(f"h{at}", 1, draw(st.integers(1, 4)), conditions=conditions))
    return Space(chosen)


@given(trees())
@settings(deadline=None, max_examples=60)
def test_a_tree_of_gates_is_found_exactly(truth: Space) -> None:
    def build(hp: HyperParameters) -> None:
        got: dict[str, int] = {}
        for h in truth:
            if isinstance(h, Int) and all(got.get(c.parent) in c.values for c in h.conditions):
                got[h.name] = hp.Int(h.name, h.min_value, h.max_value)

    found = discover(build, limit=1000)
    assert found.complete
    reachable = {name for config in truth.grid() for name in config}
    assert set(found.space.names) == reachable
    assert found.space.size() == truth.size()
    assert {truth.key(config) for config in found.space.grid()} == {truth.key(config) for config in truth.grid()}
