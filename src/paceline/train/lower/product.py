"""Products that are transposed next: the factors change places instead.

JAX writes the gradient of ``x @ w`` with respect to ``w`` as ``(g^T x)^T``, which XLA turns into
``x^T g``; but not where the product has a lane axis of length one, as of networks that a model
proposes one by one. Optimizers then read each gradient across its rows, several times over: a
quarter of an epoch of a network 784-128-10 with Adam.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax


def exchanged(
    reader: Any, params: dict[str, Any], avals: Sequence[Any]
) -> Callable[..., jax.Array] | None:
    """``dot_general`` with its factors exchanged, its result transposed; None where that undoes no
    transposition.

    Args:
        reader: the one equation that reads the product, or None.
        params: of the product.
        avals: of its two factors.
    """
    (left_sums, right_sums), (left_batch, right_batch) = params["dimension_numbers"]
    num_batch = len(left_batch)
    num_left, num_right = (aval.ndim - num_batch - len(left_sums) for aval in avals)
    batch, left = range(num_batch), range(num_batch, num_batch + num_left)
    right = range(num_batch + num_left, num_batch + num_left + num_right)
    if reader is None or reader.primitive.name != "transpose" or not (num_left and num_right):
        return None
    if (
        tuple(reader.params["permutation"]) != (*batch, *right, *left)
        or params.get("out_sharding") is not None
    ):
        return None
    numbers = ((right_sums, left_sums), (right_batch, left_batch))
    precision = (
        params["precision"][::-1] if isinstance(params["precision"], tuple) else params["precision"]
    )
    # what was the left factor's comes last now
    back = (*batch, *(axis + num_right for axis in left), *(axis - num_left for axis in right))

    def product(a: jax.Array, b: jax.Array) -> jax.Array:
        made = lax.dot_general(b, a, numbers, precision, params["preferred_element_type"])
        return lax.transpose(made, back)  # XLA cancels it against the reader

    return product
