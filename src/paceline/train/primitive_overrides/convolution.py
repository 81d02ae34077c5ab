"""Convolutions in the layout that XLA runs fast everywhere on a CPU.

XLA's fast convolution needs images as (batch, \\*size, channels) and kernels as (\\*size,
channels, features). Other layouts, as of both gradients of a convolution, are converted by XLA at
the top level of a program, but not inside a loop. There a plain nest of loops runs instead: for 64
images of 14x14x32, 3x3 and 64 features the gradients of the input and of the kernel took 104 and
2,095 ms in a loop, 15 and 74 ms outside.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import sequential_vmap

from paceline.train.primitive_overrides.windows import Windows, places, resized

#: Blocks of the sum over images have eight, or four if eight would take more than this. 28x28x32 /
#: 14x14x32 and 64 features, 64 images, milliseconds of processor time: whole 75 / 17, by sixteen
#: 76 / 10, by eight 68 / 9.4, by four 38 / 8.4. Patches x gradient, the best matrix product found:
#: 54 / 13; in the Winograd domain 54 / 12.
BLOCK_BYTES = 256 << 10
#: With at most this many channels the sum is not divided into blocks: 28x28x8 and 16 features took
#: 6.7 ms whole, 8 to 12 by eights.
FEW_CHANNELS = 8
#: Largest depthwise kernel: a slice per position; more would cost more compile time than they save.
MAX_TAPS = 64

Convolution = Callable[[jax.Array, jax.Array], jax.Array]


def convolution_override(params: dict[str, Any], avals: Sequence[Any]) -> Convolution | None:
    """A form of ``lax.conv_general_dilated`` for float32 in one to three dimensions, or None.

    The lanes of a ``vmap`` are computed one after another: JAX's own rule would compute one
        convolution
    with a group per lane, in another layout.
    """
    lhs, rhs = avals
    if any(a.dtype != np.float32 or 0 in a.shape or not 3 <= len(a.shape) <= 5 for a in avals):
        return None
    if params["preferred_element_type"] not in (None, np.float32):
        return None
    numbers = params["dimension_numbers"]
    size, kernel = (
        [lhs.shape[i] for i in numbers.lhs_spec[2:]],
        [rhs.shape[i] for i in numbers.rhs_spec[2:]],
    )
    strides, dilation = tuple(params["window_strides"]), tuple(params["rhs_dilation"])
    out = places(size, kernel, strides, params["padding"], params["lhs_dilation"], dilation)
    if min(out) < 1:
        return None
    images, groups = lhs.shape[numbers.lhs_spec[0]], params["batch_group_count"]
    if images == groups == rhs.shape[numbers.rhs_spec[0]] > 1:
        if math.prod(out) > MAX_TAPS:
            return None
        one = (1,)  # the last axis, of channels, has no window
        return _by_channel(
            Windows((*out, 1), strides + one, (*kernel, groups), dilation + one), params
        )
    # A kernel larger than the output is a gradient: of each position of an image, and the features
    # over which the convolution sums are the images of the minibatch.
    convolve = _with_known_layout({**params, "batch_group_count": 1}, lhs)
    if (
        params["feature_group_count"] == 1
        and math.prod(kernel) > math.prod(out)
        and images > FEW_CHANNELS * groups
    ):
        convolve = _in_blocks(convolve, numbers)
    if groups > 1:
        convolve = _group_by_group(convolve, numbers, groups)
    lanes_in_turn: Convolution = sequential_vmap(convolve)
    return lanes_in_turn


def _with_known_layout(params: dict[str, Any], lhs: Any) -> Convolution:
    """The convolution with operands and result transposed to and from the fast layout."""
    numbers = params["dimension_numbers"]
    spatial = "DHW"[-len(numbers.lhs_spec[2:]) :]
    # For one channel per group the plain nest of loops is faster: 64 images of 28x28x32, 3x3, in
    # 3.4 ms against 74.
    depthwise = 1 < params["feature_group_count"] == lhs.shape[numbers.lhs_spec[1]]
    layout = ("N" + spatial + "C", spatial + ("OI" if depthwise else "IO"), "N" + spatial + "C")
    images_layout = (numbers.lhs_spec[0], *numbers.lhs_spec[2:], numbers.lhs_spec[1])
    kernel_layout = (
        *numbers.rhs_spec[2:],
        *(numbers.rhs_spec[:2] if depthwise else numbers.rhs_spec[1::-1]),
    )
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
            feature_group_count=params["feature_group_count"],
            precision=params["precision"],
        )
        return jnp.transpose(out, back)

    return convolve


def _in_blocks(convolve: Convolution, numbers: Any) -> Convolution:
    """``convolve`` in blocks of a few input features, so that a block stays in the caches."""
    lhs_axis, rhs_axis = numbers.lhs_spec[1], numbers.rhs_spec[1]

    def in_blocks(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        count = lhs.shape[lhs_axis]
        step = 8 if 8 * 4 * lhs.size // count <= BLOCK_BYTES else 4
        if count <= step:
            return convolve(lhs, rhs)
        # zeros do not change the sum
        lhs, rhs = (
            _lengthened(lhs, lhs_axis, -count % step),
            _lengthened(rhs, rhs_axis, -count % step),
        )

        def block(i: jax.Array | int) -> jax.Array:
            return convolve(
                lax.dynamic_slice_in_dim(lhs, i * step, step, lhs_axis),
                lax.dynamic_slice_in_dim(rhs, i * step, step, rhs_axis),
            )

        total: jax.Array = lax.fori_loop(
            1, -(-count // step), lambda i, total: total + block(i), block(0)
        )
        return total

    return in_blocks


def _group_by_group(convolve: Convolution, numbers: Any, groups: int) -> Convolution:
    """The kernel's gradient in a convolution whose channels and features have ``groups`` groups."""
    lhs_axis, rhs_axis, out_axis = numbers.lhs_spec[0], numbers.rhs_spec[0], numbers.out_spec[1]

    def grouped(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        parts = (_split(lhs, lhs_axis, groups), _split(rhs, rhs_axis, groups))
        outs = jnp.moveaxis(lax.map(lambda part: convolve(*part), parts), 0, out_axis)
        return lax.collapse(outs, out_axis, out_axis + 2)

    return grouped


def _by_channel(windows: Windows, params: dict[str, Any]) -> Convolution:
    """The kernel's gradient if each channel is a group: products of slices, summed over images.

    64 images of 28x28x32, 3x3: 15 ms of processor time image by image, 35 all at once, 3,186 in XLA
        in
    a loop, where it computes the gradient for every pair of channels and discards most of it.
    """
    numbers = params["dimension_numbers"]
    channels = windows.places[-1]
    back = sorted(
        range(len(numbers.out_spec)),
        key=(numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1]).__getitem__,
    )

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        # (images, *size, channels) and (images, *places, channels)
        x = jnp.transpose(lhs, (*numbers.lhs_spec[1:], numbers.lhs_spec[0]))
        y = jnp.transpose(rhs, (*numbers.rhs_spec[1:], numbers.rhs_spec[0]))

        def add(
            sums: list[jax.Array], image: tuple[jax.Array, jax.Array]
        ) -> tuple[list[jax.Array], None]:
            padded = resized(
                image[0], [*params["padding"], (0, 0)], dilation=[*params["lhs_dilation"], 1]
            )
            return [
                s + view * image[1] for s, view in zip(sums, windows.views(padded), strict=True)
            ], None

        start = [jnp.zeros(windows.places, x.dtype) for _ in windows.positions()]
        sums, _ = lax.scan(add, start, (x, y))
        taps = jnp.stack([s.reshape(-1, channels).sum(0) for s in sums])
        return jnp.transpose(taps.reshape(1, *windows.taps[:-1], channels), back)

    return convolve


def _split(x: jax.Array, axis: int, groups: int) -> jax.Array:
    """``x`` with ``axis`` divided into ``groups``, which become the first axis."""
    return jnp.moveaxis(x.reshape(*x.shape[:axis], groups, -1, *x.shape[axis + 1 :]), axis, 0)


def _lengthened(x: jax.Array, axis: int, more: int) -> jax.Array:
    return jnp.pad(x, [(0, more if i == axis else 0) for i in range(x.ndim)]) if more else x
