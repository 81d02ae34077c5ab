"""Faster forms of primitives that XLA runs slowly: in loops on a CPU, with many lanes on a GPU.

Convolutions, pooling, random bits and gradients of products. Given an equation of a jaxpr, a lookup
returns a function with the same results, or None to keep the equation. It does not depend on the
framework that wrote the equation: forward pass and gradients are distinguished by their shapes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax

from paceline.train.primitive_overrides import (
    convolution,
    kernel_gradient,
    pooling,
    product,
    random_bits,
)

Override = Callable[..., list[jax.Array]]

Lookup = Callable[[dict[str, Any], Sequence[Any]], Callable[..., jax.Array] | None]
"""Finds a function from the parameters and the operands' types of an equation."""

_POOLING: Mapping[str, Lookup] = {
    "reduce_window_max": pooling.maximum,
    "reduce_window_sum": pooling.total,
    "select_and_scatter_add": pooling.scatter,
}
_TABLES: Mapping[str, Mapping[str, Lookup]] = {
    "cpu": {
        **_POOLING,
        "conv_general_dilated": convolution.convolution_override,
        "random_bits": random_bits.threefry_bits,
    },
    "gpu": {**_POOLING, "conv_general_dilated": kernel_gradient.kernel_gradient},
}


def find_override(eqn: Any, consumer: Any = None, *, platform: str) -> Override | None:
    """Finds a function of the operands of ``eqn`` with its results, to float tolerance.

    The function may be traced under ``jax.vmap``, ``jax.jit`` and loops; it is not meant to be
    differentiated.

    Args:
        eqn: an equation of a jaxpr (``jax.extend.core.JaxprEqn``).
        consumer: the only equation that uses its first output; None if there are several or none.
        platform: where it will run, as in ``jax.default_backend()``. Only ``"cpu"`` and ``"gpu"``
            have overrides.

    Returns:
        The function, or None to keep the equation.
    """
    name = eqn.primitive.name
    find = _TABLES.get(platform, {}).get(name)
    if platform == "cpu" and name == "dot_general":
        find = partial(product.exchanged, consumer)
    function = find(eqn.params, [v.aval for v in eqn.invars]) if find else None
    if function is None:
        return None
    return lambda *operands: [function(*operands)]
