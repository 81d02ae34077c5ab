"""Properties that hold for every space; hypothesis makes the spaces."""

import json
import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import Value
from paceline.space import Boolean, Choice, Condition, Fixed, Float, Hyperparameter, Int, Space

LIMITS = settings(deadline=None, max_examples=50)
SAMPLINGS = st.sampled_from(["linear", "log", "reverse_log"])
SCALARS = st.one_of(
    st.integers(-3, 3),
    st.floats(-2, 2, allow_nan=False).map(lambda x: x + 0.0),
    st.text("ab", max_size=2),
    st.booleans(),
)


def typed(config: dict[str, Value]) -> dict[str, tuple[type, Value]]:
    return {name: (type(value), value) for name, value in config.items()}


@st.composite
def ints(draw: st.DrawFn, most: int = 10**6) -> Int:
    sampling = draw(SAMPLINGS)
    low = draw(st.integers(-most if sampling == "linear" else 1, most))
    high = draw(st.integers(low, low + most))
    step = draw(st.none() | st.integers(1 if sampling == "linear" else 2, 50))
    return Int("i", low, high, step, sampling)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    sampling = draw(SAMPLINGS)
    magnitude = draw(st.integers(-100, 100))
    low, high = sorted(
        draw(st.lists(st.floats(0.001 if sampling != "linear" else -1, 1), min_size=2, max_size=2))
    )
    low, high = (
        low * 10.0**magnitude,
        high * 10.0 ** (magnitude + draw(st.integers(0, 5)) * (high > 0)),
    )
    step = None
    if draw(st.booleans()) and high > low:
        step = (
            (high - low) / draw(st.integers(1, 30))
            if sampling == "linear"
            else draw(st.floats(1.01, 20))
        )
    if step is not None and sampling == "linear" and step < 1e-9 * max(abs(low), abs(high)):
        step = None  # finer than floats are
    return Float("f", low, high, step, sampling)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    values = draw(st.lists(SCALARS, min_size=1, max_size=5, unique_by=lambda v: (type(v), v)))
    return Choice("c", values, default=draw(st.none() | st.sampled_from(values)))


BOOLEANS = st.booleans().map(lambda default: Boolean("b", default))
ANY = st.one_of(ints(), floats(), choices(), BOOLEANS, SCALARS.map(lambda value: Fixed("x", value)))
SMALL = st.one_of(ints(most=4), choices(), BOOLEANS)


@st.composite
def spaces(draw: st.DrawFn, *, discrete: bool = False) -> Space:
    """Up to five names, with conditions on at most two earlier ones; some have variants."""
    chosen: list[Hyperparameter] = []
    for at in range(draw(st.integers(0, 5))):
        conditions = []
        for parent in draw(st.lists(st.sampled_from(chosen), max_size=2)) if chosen else []:
            if parent.num_values is None:
                continue
            indices = st.integers(0, min(parent.num_values, 50) - 1)
            conditions.append(
                Condition(
                    parent.name,
                    draw(st.lists(indices.map(parent.value_at), min_size=1, max_size=3)),
                )
            )
        alone = [
            h
            for h in chosen
            if (h.num_values or 0) > 1 and sum(h.name == one.name for one in chosen) == 1
        ]
        parts: list[list[Condition]] = [conditions]
        splits = draw(st.booleans())
        if alone and splits:
            decider = draw(st.sampled_from(alone))
            values = [decider.value_at(index) for index in range(min(decider.num_values or 0, 6))]
            cut = draw(st.integers(1, len(values) - 1))
            sides = [values[:cut], values[cut : cut + 1], values[cut + 1 :]]
            parts = [[*conditions, Condition(decider.name, side)] for side in sides if side]
        for part in parts:
            chosen.append(draw(SMALL if discrete else ANY).named(f"h{at}").with_conditions(part))
    return Space(chosen)


def brute_force(space: Space) -> Iterator[dict[str, Value]]:
    """Every distinct configuration, from the meaning of conditions alone."""
    seen = set()
    for values in product(*([h.value_at(i) for i in range(h.num_values or 0)] for h in space)):
        config: dict[str, Value] = {}
        for h, value in zip(space, values, strict=True):
            if all(_holds(space, c, config) for c in h.conditions):
                config[h.name] = value
        mark = tuple(typed(config).items())
        if mark not in seen:
            seen.add(mark)
            yield config


def _holds(space: Space, condition: Condition, config: dict[str, Value]) -> bool:
    if condition.parent not in config:
        return False
    parents, value = space.variants(condition.parent), config[condition.parent]
    return any(_same(parent, value, wanted) for parent in parents for wanted in condition.values)


def _same(parent: Hyperparameter, value: Value, wanted: Value) -> bool:
    return parent.admits(wanted) and (type(parent.legal(wanted)), parent.legal(wanted)) == (
        type(value),
        value,
    )


@LIMITS
@given(ANY, st.floats(0, 1))
def test_every_legal_value_survives_the_unit_interval(h: Hyperparameter, u: float) -> None:
    for at in (u, 0.0, 1.0, math.nextafter(1, 0), 5e-324):
        value = h.from_unit(at)
        assert h.legal(value) == value
        assert type(h.legal(value)) is type(value)
        assert 0 <= h.to_unit(value) <= 1
        again = h.from_unit(h.to_unit(value))
        assert (type(again), again) == (type(value), value)


@LIMITS
@given(ANY, st.data())
def test_values_and_indices_are_inverse(h: Hyperparameter, data: st.DataObject) -> None:
    if h.num_values is None:
        return
    index = data.draw(st.integers(0, h.num_values - 1))
    value = h.value_at(index)
    assert h.index_of(value) == index
    assert h.from_unit(h.to_unit(value)) == value
    if isinstance(h, Int | Float):
        assert isinstance(value, int | float)
        assert h.min_value <= value <= h.max_value
        assert index == 0 or h.value_at(index - 1) < value


@LIMITS
@given(floats(), st.floats(0, 1))
def test_rounding_a_float_gives_a_legal_value_that_the_unit_interval_keeps(
    h: Float, u: float
) -> None:
    if h.num_values is not None:
        return
    value = h.legal(
        min(h.max_value, max(h.min_value, h.min_value + u * (h.max_value - h.min_value)))
    )
    assert h.legal(value) == value
    assert h.from_unit(h.to_unit(value)) == value


@LIMITS
@given(ANY)
def test_a_hyperparameter_survives_json(h: Hyperparameter) -> None:
    space = Space([h])
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.fingerprint == space.fingerprint
    assert again[h.name].default == h.default


@LIMITS
@given(spaces(), st.integers(0, 2**32))
def test_samples_are_legal_and_survive_the_unit_cube(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    assert typed(space.complete(config)) == typed(config)
    assert [h.name for h in space.active(config)] == list(config)
    u = space.encode(config)
    assert u.shape == (len(space),)
    assert [h.name for h, at in zip(space, u, strict=True) if not np.isnan(at)] == list(config)
    assert typed(space.decode(u)) == typed(config)
    assert space.key(space.decode(u)) == space.key(config)


@LIMITS
@given(spaces())
def test_a_space_survives_json(space: Space) -> None:
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert hash(again) == hash(space)
    assert again.default() == space.default()


@LIMITS
@given(spaces(discrete=True))
def test_the_grid_equals_a_brute_force_enumeration(space: Space) -> None:
    expected = {tuple(typed(config).items()) for config in brute_force(space)}
    grid = list(space.grid())
    assert grid[0] == space.default()
    assert len(grid) == space.size() == space.grid_size() == len(expected)
    assert {tuple(typed(config).items()) for config in grid} == expected
    assert len({space.key(config) for config in grid}) == len(grid)


@LIMITS
@given(spaces(), st.integers(1, 4))
def test_a_sampled_grid_has_no_duplicates(space: Space, samples: int) -> None:
    size = space.grid_size(samples)
    if size <= 2000:
        assert len({space.key(config) for config in space.grid(samples)}) == size
    assert space.grid_at(0, samples) == space.default()
    with pytest.raises(IndexError):
        space.grid_at(size, samples)


@LIMITS
@given(spaces(discrete=True), ints(most=5), st.integers(0, 2**32))
def test_keys_stay_when_the_space_grows(space: Space, joining: Int, seed: int) -> None:
    grown = space.with_hyperparameter(joining.named("joins later"))
    config = space.sample(np.random.default_rng(seed))
    assert grown.key(config) == space.key(config)
    assert grown.key({**config, "joins later": joining.default}) == space.key(config)


@LIMITS
@given(spaces(), st.integers(0, 2**32))
def test_at_most_one_variant_of_a_name_is_active(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    active = space.active(config)
    assert len({h.name for h in active}) == len(active)
    assert all(h.admits(config[h.name]) for h in active)
    assert [h for h in space if space.may_be_active(h, config)] == list(active)
    assert set(space.by_label.values()) <= set(space)
    assert len(space.by_label) == len(space)
    assert space.project(config) == config


@LIMITS
@given(spaces(), spaces(), st.integers(0, 2**32))
def test_projections_are_configurations_of_the_other_space(
    one: Space, other: Space, seed: int
) -> None:
    config = one.sample(np.random.default_rng(seed))
    found = other.project(config)
    if found is None:
        assert any(
            name in config and not h.admits(config[name])
            for name in other.names
            for h in other.variants(name)
        )
        return
    assert typed(other.complete(found)) == typed(found)
    assert all(other.project(found)[name] == found[name] for name in found)  # type: ignore[index]
    # Python compares 1, 1.0 and True as equal; a hyperparameter may take one for another, and a
    # float keeps so many digits as its range has use for
    kept = {
        name: value
        for name, value in found.items()
        if name in config and not isinstance(value, float)
    }
    assert all(value == config[name] for name, value in kept.items())
