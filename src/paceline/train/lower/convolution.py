"""Convolutions in the one layout that XLA runs well everywhere on a CPU.

XLA's fast convolution wants images as (batch, \\*size, channels) and kernels as (\\*size, channels, features). What has
another layout, as both gradients of a convolution have, is brought into that one by XLA itself at the top level of a
program, but not inside a loop. There a plain nest of loops runs instead: for 64 images of 14x14x32, 3x3 and 64 features
the gradients of the input and of the kernel take 104 and 2,095 ms in a loop, 15 and 74 ms outside.
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

#: The images of a block of the kernel's gradient take no more, or are four.
BLOCK_BYTES = 320 << 10
#: Fewer leave the vector units idle (images are the innermost axis there), more were never faster.
MOST_IMAGES = 8

Convolution = Callable[[jax.Array, jax.Array], jax.Array]


def replacement(params: dict[str, Any], avals: Sequence[Any]) -> Convolution | None:
    """A form of ``lax.conv_general_dilated`` for float32 without groups, in one to three dimensions; or None.

    The lanes of a ``vmap`` are taken one after another. JAX's own rule would make one convolution with a group per lane
    of them, which XLA runs far slower.
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
    windows = {key: params[key] for key in ("window_strides", "padding", "lhs_dilation", "rhs_dilation")}
    out = places(size, kernel, *windows.values())
    if min(out) < 1:
        return None
    # A kernel larger than what comes out is no kernel: it is the gradient that flows back over all of the image, and
    # the convolution's features are the images of the minibatch, over which it sums.
    convolve = _sum_of_blocks if math.prod(kernel) > math.prod(out) else _convolve
    kernel_layout = (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0])

    def convolution(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        x = jnp.transpose(lhs, _last(numbers.lhs_spec))
        w = jnp.transpose(rhs, kernel_layout)
        return jnp.transpose(convolve(x, w, windows), _inverse(_last(numbers.out_spec)))

    return sequential_vmap(convolution)


def _convolve(x: jax.Array, w: jax.Array, windows: dict[str, Any]) -> jax.Array:
    """The convolution of ``x`` (batch, \\*size, channels) by ``w`` (\\*kernel, channels, features)."""
    spatial = "DHW"[3 - (x.ndim - 2) :]
    layout = ("N" + spatial + "C", spatial + "IO", "N" + spatial + "C")
    # the barrier keeps XLA from merging what lies before into another layout of the convolution
    x, w = lax.optimization_barrier((x, w))
    return lax.conv_general_dilated(x, w, **windows, dimension_numbers=layout)


def _sum_of_blocks(x: jax.Array, w: jax.Array, windows: dict[str, Any]) -> jax.Array:
    """As :func:`_convolve`, a few channels at a time.

    The working set of a block stays in the second-level cache. Milliseconds of processor time for the kernel's gradient
    of 64 images of 28x28x32 to 64 features, and of 14x14x32 to 64: all at once 75 and 17, by sixteen 76 and 11, by
    eight 67 and 8.6, by four 39 and 8.7; as a product of patches and gradient, by two images, 54 and 13.
    """
    channels = x.shape[-1]
    step = _channels_per_block(channels, 4 * math.prod(x.shape[:-1]))
    if step >= channels:
        return _convolve(x, w, windows)
    # zeros add nothing to the sum
    more = -channels % step
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)])
    w = jnp.pad(w, [(0, 0)] * (w.ndim - 2) + [(0, more), (0, 0)])

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return total + _convolve(
            lax.dynamic_slice_in_dim(x, i * step, step, axis=-1),
            lax.dynamic_slice_in_dim(w, i * step, step, axis=-2),
            windows,
        )

    shape = jax.eval_shape(lambda x, w: _convolve(x, w, windows), x, w)
    return lax.fori_loop(0, (channels + more) // step, add, jnp.zeros(shape.shape, shape.dtype))


def _channels_per_block(channels: int, bytes_each: int) -> int:
    fit = BLOCK_BYTES // bytes_each
    return channels if fit >= channels else min(MOST_IMAGES, 8 if fit >= 8 else 4)


def _last(spec: Sequence[int]) -> tuple[int, ...]:
    """The axes of a layout ``spec`` (batch, feature, \\*spatial) in the order (batch, \\*spatial, feature)."""
    return (spec[0], *spec[2:], spec[1])


def _inverse(permutation: Sequence[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)
