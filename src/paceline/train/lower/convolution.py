"""Convolutions as matrix products."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.lower.windows import Windows, pad, places

MAX_TAPS = 128
BLOCK_BYTES = 2 << 20

Convolution = Callable[[jax.Array, jax.Array], jax.Array]


def replacement(params: dict[str, Any], avals: Sequence[Any]) -> Convolution | None:
    """A form of ``lax.conv_general_dilated`` as matrix products, or None.

    A convolution is a sum over ``kernel`` positions for each ``out`` position; whichever are fewer are written out as
    slices. In a forward pass and in the gradient of the input that is the kernel (3x3 against 28x28), in the gradient
    of the kernel it is the output: there the incoming gradient plays the kernel's part.
    """
    lhs, rhs = avals
    if any(a.dtype != np.float32 for a in avals) or 0 in (*lhs.shape, *rhs.shape) or len(lhs.shape) < 3:
        return None
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return None
    if params["preferred_element_type"] not in (None, np.float32):
        return None
    numbers = params["dimension_numbers"]
    size = tuple(lhs.shape[i] for i in numbers.lhs_spec[2:])
    kernel = tuple(rhs.shape[i] for i in numbers.rhs_spec[2:])
    strides, padding = tuple(params["window_strides"]), params["padding"]
    dilation = tuple(params["rhs_dilation"])
    out = places(size, kernel, strides, padding, params["lhs_dilation"], dilation)
    if min(out) < 1 or min(math.prod(kernel), math.prod(out)) > MAX_TAPS:
        return None
    if math.prod(kernel) <= math.prod(out):
        return _per_place(Windows(kernel, dilation, out, strides), params)
    return _per_tap(Windows(out, strides, kernel, dilation), params)


def _per_place(windows: Windows, params: dict[str, Any]) -> Convolution:
    """out[image, place] = patches[image, place] @ kernel: the forward pass and the gradient of the input."""
    numbers = params["dimension_numbers"]

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        x = jnp.transpose(lhs, _last(numbers.lhs_spec))  # (images, *size, C)
        w = jnp.transpose(rhs, (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))  # (*taps, C, O)
        w = w.reshape(-1, w.shape[-1])

        def block(x: jax.Array) -> jax.Array:
            patches = windows.patches(pad(x, 1, 0.0, params["padding"], params["lhs_dilation"]), axis=1, along=-1)
            return (patches.reshape(-1, w.shape[0]) @ w).reshape(*patches.shape[:-1], w.shape[1])

        step = _images_per_block(x.shape[0], windows, x.shape[-1])
        out = lax.map(block, x.reshape(-1, step, *x.shape[1:])) if step < x.shape[0] else block(x)
        out = out.reshape(-1, *windows.places, w.shape[1])
        return jnp.transpose(out, _inverse(_last(numbers.out_spec)))

    return convolve


def _per_tap(windows: Windows, params: dict[str, Any]) -> Convolution:
    """out[tap] = sum over images and places of patches[tap, image, place] * signal: the gradient of the kernel.

    A convolution sums over its feature axis; in this one that axis runs over the images of the minibatch.
    """
    numbers = params["dimension_numbers"]
    lhs_batch, lhs_feature, *lhs_size = numbers.lhs_spec
    rhs_out, rhs_in, *rhs_size = numbers.rhs_spec

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        x = jnp.transpose(lhs, (lhs_feature, lhs_batch, *lhs_size))  # (images, C, *size)
        y = jnp.transpose(rhs, (rhs_in, *rhs_size, rhs_out))  # (images, *places, O)
        images, channels, features = x.shape[0], x.shape[1], y.shape[-1]

        def block(x: jax.Array, y: jax.Array) -> jax.Array:
            x = pad(jnp.swapaxes(x, 0, 1), 2, 0.0, params["padding"], params["lhs_dilation"])
            patches = windows.patches(x, axis=2, along=0)  # (taps * C, images, *places)
            return patches.reshape(patches.shape[0], -1) @ y.reshape(-1, features)

        step = _images_per_block(images, windows, channels)
        if step < images:
            blocks = [a.reshape(-1, step, *a.shape[1:]) for a in (x, y)]
            start = jnp.zeros((windows.count * channels, features), x.dtype)
            total, _ = lax.scan(lambda total, block_of: (total + block(*block_of), None), start, blocks)
        else:
            total = block(x, y)
        out = jnp.moveaxis(total.reshape(*windows.taps, channels, features), -2, 0)
        return jnp.transpose(out, _inverse(_last(numbers.out_spec)))

    return convolve


def _images_per_block(images: int, windows: Windows, channels: int) -> int:
    """The largest divisor of ``images`` for which a block's patches stay within the second-level caches."""
    most = max(1, BLOCK_BYTES // (4 * windows.area * windows.count * channels))
    return max(n for n in range(1, images + 1) if images % n == 0 and n <= most)


def _last(spec: Sequence[int]) -> tuple[int, ...]:
    """The axes of an array laid out by ``spec`` (batch, feature, \\*spatial) in the order (batch, \\*spatial, feature)."""
    return (spec[0], *spec[2:], spec[1])


def _inverse(permutation: Sequence[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)
