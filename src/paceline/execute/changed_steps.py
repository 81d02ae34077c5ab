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
    shapes = [[leaf.shape for leaf in one.state] for one in (structure.traced, other.traced)]
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
    shapes = [leaf.shape for leaf in structure.traced.state]
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
    layer = _first_difference(structure, traced)
    return f"the operations{f' in {layer}' if layer else ''} depend on a size"


def _first_difference(structure: Structure, traced: TracedModel) -> str:
    """The layer of the first operation that differs; empty if it is in none."""
    for name, related in structure.steps.items():
        theirs = flatten(traced.parts[name].code.body).body.equations
        found = _differing(related.step.body.equations, theirs)
        if found is not None:
            return found.layer
    return ""


def _differing(ours: Sequence[FlatEquation], theirs: Sequence[FlatEquation]) -> FlatEquation | None:
    for one, other in zip_longest(ours, theirs):
        if one is None or other is None or one.name != other.name:
            return one or other
    return None
