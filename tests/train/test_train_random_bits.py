"""The unrolled threefry draws the same bits as JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.train.primitive_overrides import random_bits


@pytest.mark.parametrize("width", [8, 16, 32, 64])
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 7), min_size=0, max_size=3))
def test_bits_equal_those_of_jax(width: int, seed: int, shape: list[int]) -> None:
    with jax.enable_x64(width == 64):
        key, dtype = jax.random.key(seed), jnp.dtype(f"uint{width}")
        draw = random_bits.threefry_bits({"bit_width": width, "shape": tuple(shape)}, [key])
        assert draw is not None
        found, expected = draw(key), jax.random.bits(key, tuple(shape), dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_other_generators_are_not_replaced() -> None:
    key = jax.random.key(0, impl="rbg")
    assert random_bits.threefry_bits({"bit_width": 32, "shape": (2,)}, [key]) is None
