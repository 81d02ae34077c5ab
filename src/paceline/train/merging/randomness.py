"""PrimitiveRule of random bits: a network gets the same bits whatever it is merged with.

JAX's generator computes each number from its key and from its place in the array, counted row by
row. So the bits of a network are those at its own places, counted as in its own array.
"""

import jax.numpy as jnp

from paceline.train.merging.rule import Call, Padded, PrimitiveRule, Site
from paceline.train.primitive_overrides.random_bits import threefry_at, threefry_bits


def _relate(site: Site) -> None:
    """Its axes are those of the values that it meets."""
    if threefry_bits(dict(site.params), site.avals) is None:
        site.fix_all()


def _evaluate(call: Call) -> list[Padded]:
    axes = call.results[0]
    index = jnp.zeros(call.shape, jnp.uint32)
    for place, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[place] = call.layout.size(axis)
        own = jnp.asarray(call.layout.own_size(axis), jnp.uint32)
        index = index * own + call.layout.position(axis).astype(jnp.uint32).reshape(shape)
    return call.result(threefry_at(call.operands[0].array, index, call.params["bit_width"]))


RULES = {"random_bits": PrimitiveRule(_relate, _evaluate)}
