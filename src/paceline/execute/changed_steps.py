"""Whether networks have different steps because of their sizes."""

from collections.abc import Sequence
from itertools import zip_longest

from paceline.core import Configuration
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.train.merging.flat_step import FlatEquation, flatten
from paceline.train.merging.structure import Structure
from paceline.train.trace import state_shapes, trace
from paceline.train.traced_model import TracedModel


def may_differ_by_sizes(
    structure: Structure, config: Configuration, other: PreparedNetwork
) -> bool:
    """Whether another network could have other steps because of its sizes.

    That is, its weights have the same ranks and other shapes, and its hyperparameters differ in
    numbers only.

    Args:
        structure: of a network.
        config: of the same network.
        other: the other network.
    """
    if other.traced is None or other.config.keys() != config.keys():
        return False
    shapes = [one.shapes for one in (structure.traced, other.traced)]
    if shapes[0] == shapes[1] or [*map(len, shapes[0])] != [*map(len, shapes[1])]:
        return False
    differing = [config[name] for name in config if config[name] != other.config[name]]
    return all(type(value) in (int, float) for value in differing)


def why_steps_differ(
    structure: Structure, config: Configuration, other: PreparedNetwork, preparation: Preparation
) -> str:
    """Where the steps of networks depend on their sizes; empty if they do not.

    The network of ``config`` is built and traced again with the sizes of the other one.
    """
    shapes = structure.traced.shapes
    wholes = {
        name: value
        for name, value in other.config.items()
        if type(value) is int and value != config[name]
    }
    sizes = {
        name: value
        for name, value in wholes.items()
        if state_shapes(preparation.build_again({**config, name: value}, other), other.feed)
        != shapes
    }
    if not sizes:
        return ""
    traced = trace(preparation.build_again({**config, **sizes}, other), other.feed)
    if traced.structure_key == structure.traced.structure_key:
        return ""
    # the batches of the other one may have other shapes, which are part of a structure
    own = trace(preparation.build_again(config, other), other.feed)
    if traced.structure_key == own.structure_key:
        return ""
    where = _first_difference(own, traced)
    first, second = (
        ", ".join(f"{name}={one[name]}" for name in sizes) for one in (config, other.config)
    )
    return f"the operations{where} differ between a network with {first} and one with {second}"


def _first_difference(one: TracedModel, other: TracedModel) -> str:
    """The layer of the first operation that differs, or the operation if it is in none."""
    for name in one.parts:
        ours, theirs = (
            [
                equation
                for body in flatten(traced.parts[name].code.body).bodies
                for equation in body.equations
            ]
            for traced in (one, other)
        )
        found = _differing(ours, theirs)
        if found is not None:
            return f" in {found.layer}" if found.layer else f" (the first is {found.name})"
    return ""


def _differing(ours: Sequence[FlatEquation], theirs: Sequence[FlatEquation]) -> FlatEquation | None:
    for one, other in zip_longest(ours, theirs):
        if one is None or other is None or one.name != other.name:
            return one or other
    return None
