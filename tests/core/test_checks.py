"""Numbers of all kinds, as arguments may have them."""

from decimal import Decimal
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from paceline.core import InvalidInput, checks


@pytest.mark.parametrize(
    ("value", "real", "integer"),
    [
        (3, 3.0, 3),
        (1.5, 1.5, None),
        (np.int8(3), 3.0, 3),
        (np.float32(0.5), 0.5, None),
        (np.array(4), 4.0, 4),
        (jnp.array(3), 3.0, 3),
        (jnp.float32(0.5), 0.5, None),
        (10**400, None, 10**400),
        (True, None, None),
        (np.True_, None, None),
        (jnp.array(True), None, None),
        (1j, None, None),
        (np.complex64(1), None, None),  # as a float it is a number, and a warning
        (np.array([4]), None, None),
        (np.array("4"), None, None),
        (Decimal(1), None, None),
        ("3", None, None),
        (None, None, None),
    ],
)
def test_numbers_of_numpy_count_and_booleans_do_not(
    value: Any, real: float | None, integer: int | None
) -> None:
    assert checks.real(value) == real
    assert checks.integer(value) == integer


@pytest.mark.parametrize("value", [np.complex128(0.5), True, "0.5", 0, 1, float("nan")])
def test_what_is_no_fraction(value: Any) -> None:
    with pytest.raises(InvalidInput, match="expected a fraction between 0 and 1"):
        checks.fraction("validation", value)
