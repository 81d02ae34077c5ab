"""The unrolled threefry draws the same bits as JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.train.primitive_overrides import random_bits


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 7), min_size=0, max_size=3))
def test_bits_equal_those_of_jax(seed: int, shape: list[int]) -> None:
    key = jax.random.key(seed)
    draw = random_bits.threefry_bits({"bit_width": 32, "shape": tuple(shape)}, [key])
    assert draw is not None
    np.testing.assert_array_equal(draw(key), jax.random.bits(key, tuple(shape), jnp.uint32))


def test_other_generators_and_widths_are_not_replaced() -> None:
    key = jax.random.key(0, impl="rbg")
    assert random_bits.threefry_bits({"bit_width": 32, "shape": (2,)}, [key]) is None
    assert random_bits.threefry_bits({"bit_width": 64, "shape": (2,)}, [jax.random.key(0)]) is None
