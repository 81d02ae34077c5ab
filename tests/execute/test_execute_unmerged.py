"""Which models of several widths share a program; of the others it is said why not."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers, ops
from tests.execute.test_execute_known import prepares

from paceline.execute.base import Job
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.merging import NetworkMerging
from paceline.execute.prepare import PreparedNetwork
from paceline.space import Choice, Int, Space
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import LaneCount
from paceline.train.merged_program import merge
from paceline.train.merging.structure import Structure

SPACE = Space([Int("units", 2, 17), Choice("size", ["small", "large"])])
WIDTHS = (5, 12, 6)
NOTE = "Some networks of different sizes are not trained together as one compiled model: "


def own(function: Callable[[Any], Any]) -> layers.Layer:
    return layers.Lambda(function, name="mine")


def half(x: Any) -> Any:
    middle = x.shape[-1] // 2
    return ops.concatenate([x[:, :middle], 2 * x[:, middle:]], axis=-1)


def unit_by_unit(x: Any) -> Any:
    return ops.stack([x[:, place] for place in range(x.shape[-1])], axis=-1)


def numbered(x: Any) -> Any:
    return x * ops.linspace(0.0, 1.0, x.shape[-1])


MERGED: dict[str, Callable[[int], list[layers.Layer]]] = {
    "shifted": lambda units: [layers.Dense(units), own(lambda x: ops.roll(x, 1, axis=-1))],
    "numbered": lambda units: [layers.Dense(units), own(numbered)],
    "half as many": lambda units: [layers.Dense(units), layers.Dense(units // 2)],
    "only half as many": lambda units: [layers.Dense(units // 2)],
    "some more": lambda units: [layers.Dense(units), layers.Dense(units + 3)],
}
REFUSED: dict[str, tuple[Callable[[int], list[layers.Layer]], str]] = {
    "cut in the middle": (
        lambda units: [layers.Dense(units), own(half)],
        "a size in mine does not follow from its weights.",
    ),
    "reversed": (
        lambda units: [layers.Dense(units), own(lambda x: ops.flip(x, axis=-1))],
        "reversing the order of values in mine depends on a size.",
    ),
    "unit by unit": (
        lambda units: [layers.Dense(units), own(unit_by_unit)],
        "the operations in mine differ between a network with units=5 and one with units=12.",
    ),
    "taken": (
        lambda units: [layers.Dense(units), own(lambda x: ops.take(x, [0, 1], axis=-1))],
        "indexing with an array in mine depends on a size.",
    ),
    "every second": (
        lambda units: [layers.Dense(units), own(lambda x: x[:, ::2])],
        "taking values at regular steps in mine depends on a size.",
    ),
}


def built(hidden: list[layers.Layer]) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def assigned(
    build: Callable[[Any], keras.Model],
    configs: list[dict[str, Any]],
    space: Space = SPACE,
    memory: int = 2**30,
) -> tuple[int, list[str]]:
    """The number of programs of networks, and the notes."""
    preparation = prepares(build, space, frozenset({"batch_size"}))
    expected = ExpectedNetworks(space, lambda _: ())
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=memory)
    keys = set()
    for number, config in enumerate(configs):
        (prepared,) = preparation.prepare([Job(number, config, number, 2)])
        assert isinstance(prepared, PreparedNetwork)
        keys.add(merging.assign(prepared)[1])
    return len(keys), merging.notes


def of_widths(hidden: Callable[[int], list[layers.Layer]], **options: Any) -> tuple[int, list[str]]:
    configs = [{"units": units, "size": "small"} for units in WIDTHS]
    return assigned(lambda hp: built(hidden(hp.Int("units", 2, 17))), configs, **options)


@pytest.mark.parametrize("name", MERGED)
def test_models_whose_sizes_follow_from_each_other_share_a_program(name: str) -> None:
    assert of_widths(MERGED[name]) == (1, [])


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_said_once_why_networks_are_not_merged(name: str) -> None:
    hidden, reason = REFUSED[name]
    assert of_widths(hidden) == (3, [NOTE + reason])


def test_it_is_said_if_a_size_that_follows_from_others_is_one() -> None:
    """Of two heads, one remains beside the first."""

    def joined(x: Any) -> Any:
        return x[:, :1] + ops.sum(x[:, 1:], axis=1, keepdims=True)

    def build(hp: Any) -> keras.Model:
        heads, units = hp.Int("heads", 2, 4), hp.Int("units", 2, 17)
        shaped = [layers.Dense(heads * units), layers.Reshape((heads, units)), own(joined)]
        return built([*shaped, layers.Flatten()])

    configs = [{"heads": heads, "units": 5} for heads in (3, 2, 4)]
    space = Space([*SPACE.hyperparameters, Int("heads", 2, 4)])
    reason = "with heads=2, units=5 a size is 1, for which layers may have other operations."
    assert assigned(build, configs, space) == (2, [NOTE + reason])


def test_no_network_is_built_twice_to_find_the_range_of_sizes() -> None:
    """Also where a hyperparameter changes sizes, but not together with another one."""
    built_with: list[tuple[int, int]] = []

    def build(hp: Any) -> keras.Model:
        units, other = hp.Int("units", 2, 16), hp.Int("other", 2, 16)
        built_with.append((units, other))
        hidden = [layers.Dense(units), layers.Dense(other)]
        return built([*hidden, layers.Dense(3)] if units == other == 16 else hidden)

    space = Space([Int("units", 2, 16), Int("other", 2, 16)])
    assigned(build, [{"units": 5, "other": 7}], space)
    assert len(built_with) == len(set(built_with))


@pytest.mark.parametrize("widths", [(1, 5, 7), (5, 1, 7)])
def test_a_single_unit_is_a_program_of_its_own(widths: tuple[int, ...]) -> None:
    def build(hp: Any) -> keras.Model:
        return built([layers.Dense(hp.Int("units", 1, 16), "relu")])

    space = Space([Int("units", 1, 16)])
    assert assigned(build, [{"units": units} for units in widths], space) == (2, [])


def test_lanes_of_merged_recurrent_layers_are_counted() -> None:
    """Their gates are joined by an operation whose parameters are integers of NumPy."""

    def build(hp: Any) -> keras.Model:
        return built([layers.Reshape((2, 2)), layers.GRU(hp.Int("units", 2, 17))])

    preparation = prepares(build, SPACE)
    (prepared,) = preparation.prepare([Job(0, {"units": 5}, 0, 2)])
    assert isinstance(prepared, PreparedNetwork)
    assert prepared.traced is not None
    structure = Structure.of(prepared.traced)
    sizes = structure.sizes([leaf.shape for leaf in prepared.traced.state])
    ragged = [i for i, size in enumerate(sizes) if size == 5]
    program = merge(structure, sizes, ragged, [prepared.traced])
    device = DeviceFacts("cpu", count=1, num_cores=2, free_bytes=2**30)
    assert LaneCount(device, 2**20, 2**28).max_lanes(program) > 1


def test_networks_with_other_batches_do_not_differ_because_of_their_sizes() -> None:
    space = Space([Int("units", 2, 17), Choice("batch_size", [4, 8])])
    configs = [{"units": 5, "batch_size": 4}, {"units": 12, "batch_size": 8}]

    def build(hp: Any) -> keras.Model:
        return built([layers.Dense(hp.Int("units", 2, 17))])

    assert assigned(build, configs, space) == (2, [])


def test_sizes_that_do_not_fit_into_memory_are_not_merged() -> None:
    reason = "the largest would need too much memory."
    assert of_widths(lambda units: [layers.Dense(units)], memory=1_000) == (3, [NOTE + reason])


def test_sizes_that_are_no_numbers_of_the_space_are_not_merged() -> None:
    def build(hp: Any) -> keras.Model:
        return built([layers.Dense(5 if hp.Choice("size", ["small", "large"]) == "small" else 9)])

    configs = [{"units": 5, "size": size} for size in ("small", "large", "small")]
    reason = "no whole-number hyperparameter sets their sizes and nothing else."
    assert assigned(build, configs) == (2, [NOTE + reason])


TOO_WIDE = "the network with units=17 cannot be built: ValueError: too wide."


@pytest.mark.parametrize(("widest", "expected"), [(12, (2, TOO_WIDE)), (16, (1, ""))])
def test_narrower_networks_are_merged_where_the_widest_cannot_be_built(
    widest: int, expected: tuple[int, str]
) -> None:
    def build(hp: Any) -> keras.Model:
        if hp.Int("units", 2, 17) > widest:
            raise ValueError("too wide")
        return built([layers.Dense(hp["units"])])

    last = 12 if widest == 12 else 7  # 8 is the largest that is tried
    configs = [{"units": units, "size": "small"} for units in (5, 6, last)]
    programs, reason = expected
    assert assigned(build, configs) == (programs, [NOTE + reason] if reason else [])


def test_it_is_said_which_networks_cannot_be_built() -> None:
    def build(hp: Any) -> keras.Model:
        if hp.Int("units", 2, 17) not in (5, 12):
            raise ValueError("not in stock")
        return built([layers.Dense(hp["units"])])

    configs = [{"units": units, "size": "small"} for units in (5, 12)]
    reason = "the network with units=17 cannot be built: ValueError: not in stock."
    assert assigned(build, configs) == (2, [NOTE + reason])


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (100_000, (1, [])),
        (10**7, (2, [NOTE + "the largest, units=10000000, would need too much memory."])),
    ],
)
def test_smaller_networks_are_merged_where_the_largest_would_need_too_much_memory(
    most: int, expected: tuple[int, list[str]]
) -> None:
    def build(hp: Any) -> keras.Model:
        return built([layers.Dense(hp.Int("units", 2, most))])

    configs: list[dict[str, Any]] = [{"units": units} for units in (50, 70)]
    assert assigned(build, configs, Space([Int("units", 2, most)])) == expected


def test_widths_are_merged_where_an_end_of_another_size_has_other_steps() -> None:
    def build(hp: Any) -> keras.Model:
        heads, units = hp.Int("heads", 1, 4), hp.Int("units", 2, 17)

        def joined(x: Any) -> Any:
            return x if heads == 1 else x[:, :1] + ops.sum(x[:, 1:], axis=1, keepdims=True)

        shaped = [layers.Dense(heads * units), layers.Reshape((heads, units)), own(joined)]
        return built([*shaped, layers.Flatten()])

    configs = [{"units": units, "heads": 2} for units in WIDTHS]
    assert assigned(build, configs, Space([*SPACE.hyperparameters, Int("heads", 1, 4)])) == (1, [])
