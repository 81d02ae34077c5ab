"""Matrix products that are transposed next: the factors are exchanged instead.

JAX writes the gradient of ``x @ w`` with respect to ``w`` as ``(g^T x)^T``, which XLA turns into
``x^T g``; but not if the product has a lane axis of length one, as for trials that a model proposes
one at a time. Optimizers then read each gradient across its rows, several times: a quarter of an
epoch of a network 784-128-10 with Adam.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax


def exchanged(
    consumer: Any, params: dict[str, Any], avals: Sequence[Any]
) -> Callable[..., jax.Array] | None:
    """``dot_general`` with its factors exchanged and its result transposed.

    Args:
        consumer: the only equation that uses the product, or None.
        params: of the product.
        avals: of its two factors.

    Returns:
        The function, or None if it does not cancel a transposition.
    """
    (left_sums, right_sums), (left_batch, right_batch) = params["dimension_numbers"]
    num_batch = len(left_batch)
    num_left, num_right = (aval.ndim - num_batch - len(left_sums) for aval in avals)
    batch, left = range(num_batch), range(num_batch, num_batch + num_left)
    right = range(num_batch + num_left, num_batch + num_left + num_right)
    if consumer is None or consumer.primitive.name != "transpose" or not (num_left and num_right):
        return None
    if (
        tuple(consumer.params["permutation"]) != (*batch, *right, *left)
        or params.get("out_sharding") is not None
    ):
        return None
    numbers = ((right_sums, left_sums), (right_batch, left_batch))
    precision = (
        params["precision"][::-1] if isinstance(params["precision"], tuple) else params["precision"]
    )
    # the axes of the left factor come last now
    back = (*batch, *(axis + num_right for axis in left), *(axis - num_left for axis in right))

    def product(a: jax.Array, b: jax.Array) -> jax.Array:
        made = lax.dot_general(b, a, numbers, precision, params["preferred_element_type"])
        return lax.transpose(made, back)  # XLA cancels it against the consumer

    return product
