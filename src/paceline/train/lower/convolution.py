"""Convolutions in the one layout that XLA runs well everywhere on a CPU.

XLA's fast convolution wants images as (batch, \\*size, channels) and kernels as (\\*size, channels, features). What has
another layout, as both gradients of a convolution have, is brought into that one by XLA itself at the top level of a
program, but not inside a loop. There a plain nest of loops runs instead: for 64 images of 14x14x32, 3x3 and 64 features
the gradients of the input and of the kernel took 104 and 2,095 ms in a loop, 15 and 74 ms outside.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import sequential_vmap

from paceline.train.lower.windows import places

#: A block of the sum over images has eight, or four where eight would take more than this. 28x28x32 / 14x14x32 and
#: 64 features, 64 images, milliseconds of processor time: whole 75 / 17, by sixteen 76 / 10, by eight 68 / 9.4, by four
#: 38 / 8.4. Patches x gradient, the best matrix product found: 54 / 13; in the Winograd domain 54 / 12.
BLOCK_BYTES = 256 << 10
#: With no more channels than this the sum is not cut: 28x28x8 and 16 features took 6.7 ms whole, 8 to 12 by eights.
FEW_CHANNELS = 8

Convolution = Callable[[jax.Array, jax.Array], jax.Array]


def replacement(params: dict[str, Any], avals: Sequence[Any]) -> Convolution | None:
    """A form of ``lax.conv_general_dilated`` for float32 without groups, in one to three dimensions; or None.

    The lanes of a ``vmap`` are taken one after another: JAX's own rule would make one convolution with a group per
    lane of them, in a layout of its own.
    """
    lhs, rhs = avals
    if any(a.dtype != np.float32 or 0 in a.shape or not 3 <= len(a.shape) <= 5 for a in avals):
        return None
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return None
    if params["preferred_element_type"] not in (None, np.float32):
        return None
    numbers = params["dimension_numbers"]
    size, kernel = [lhs.shape[i] for i in numbers.lhs_spec[2:]], [rhs.shape[i] for i in numbers.rhs_spec[2:]]
    windows = (params[key] for key in ("window_strides", "padding", "lhs_dilation", "rhs_dilation"))
    out = places(size, kernel, *windows)
    if min(out) < 1:
        return None
    # A kernel larger than what comes out is no kernel: it is the gradient at every place of an image, and the features
    # that the convolution sums over are the images of the minibatch.
    sums_over_images = math.prod(kernel) > math.prod(out) and lhs.shape[numbers.lhs_spec[0]] > FEW_CHANNELS
    convolve = _with_known_layout(params)
    lanes_in_turn: Convolution = sequential_vmap(_in_blocks(convolve, numbers) if sums_over_images else convolve)
    return lanes_in_turn


def _with_known_layout(params: dict[str, Any]) -> Convolution:
    """The convolution with its operands and its result transposed to and from the layout that XLA wants."""
    numbers = params["dimension_numbers"]
    spatial = "DHW"[-len(numbers.lhs_spec[2:]) :]
    layout = ("N" + spatial + "C", spatial + "IO", "N" + spatial + "C")
    images_layout = (numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1])
    kernel_layout = (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0])
    out_layout = (numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1])
    back = sorted(range(len(out_layout)), key=out_layout.__getitem__)

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        out = lax.conv_general_dilated(
            jnp.transpose(lhs, images_layout),
            jnp.transpose(rhs, kernel_layout),
            window_strides=params["window_strides"],
            padding=params["padding"],
            lhs_dilation=params["lhs_dilation"],
            rhs_dilation=params["rhs_dilation"],
            dimension_numbers=layout,
            precision=params["precision"],
        )
        return jnp.transpose(out, back)

    return convolve


def _in_blocks(convolve: Convolution, numbers: Any) -> Convolution:
    """``convolve``, summing over a few of its input features at a time, so that a block stays in the nearest caches."""
    lhs_axis, rhs_axis = numbers.lhs_spec[1], numbers.rhs_spec[1]

    def in_blocks(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        count = lhs.shape[lhs_axis]
        step = 8 if 8 * 4 * lhs.size // count <= BLOCK_BYTES else 4
        if count <= step:
            return convolve(lhs, rhs)
        # zeros add nothing to the sum
        lhs, rhs = _lengthened(lhs, lhs_axis, -count % step), _lengthened(rhs, rhs_axis, -count % step)

        def block(i: jax.Array | int) -> jax.Array:
            return convolve(
                lax.dynamic_slice_in_dim(lhs, i * step, step, lhs_axis),
                lax.dynamic_slice_in_dim(rhs, i * step, step, rhs_axis),
            )

        total: jax.Array = lax.fori_loop(1, -(-count // step), lambda i, total: total + block(i), block(0))
        return total

    return in_blocks


def _lengthened(x: jax.Array, axis: int, more: int) -> jax.Array:
    return jnp.pad(x, [(0, more if i == axis else 0) for i in range(x.ndim)]) if more else x
