"""Faster forms, on a CPU, of what XLA runs badly inside a loop: convolutions, pooling, random bits,
gradients of products.

An equation of a jaxpr goes in, a function with the same results comes out, or None where the
original is to be kept. Nothing here knows which framework wrote the equation: the forward pass, the
gradient with respect to the input and the gradient with respect to the kernel are told apart by
their shapes alone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax

from paceline.train.lower import convolution, pooling, product, random

Replacement = Callable[..., list[jax.Array]]

_TABLE: dict[str, Callable[[dict[str, Any], Sequence[Any]], Callable[..., jax.Array] | None]] = {
    "conv_general_dilated": convolution.replacement,
    "random_bits": random.bits,
    "reduce_window_max": pooling.maximum,
    "reduce_window_sum": pooling.total,
    "select_and_scatter_add": pooling.scatter,
}


def replacement(eqn: Any, reader: Any = None, *, platform: str) -> Replacement | None:
    """A function of the operands of ``eqn`` with its outputs, to float tolerance; None to keep the
    original.

    Args:
        eqn: an equation of a jaxpr (``jax.extend.core.JaxprEqn``).
        reader: the one equation that reads its first output; None where there are several, or none.
        platform: where it will run, as in ``jax.default_backend()``. Only ``"cpu"`` has
            replacements.

    The function may be traced under ``jax.vmap``, ``jax.jit`` and loops; it is not meant to be
    differentiated.
    """
    if platform != "cpu":
        return None
    name = eqn.primitive.name
    find = partial(product.exchanged, reader) if name == "dot_general" else _TABLE.get(name)
    function = find(eqn.params, [v.aval for v in eqn.invars]) if find else None
    if function is None:
        return None
    return lambda *operands: [function(*operands)]
