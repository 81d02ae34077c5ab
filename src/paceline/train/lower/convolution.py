"""Convolutions as matrix products."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.lower.windows import Windows, pad

MAX_TAPS = 128
BLOCK_BYTES = 1 << 20


def replacement(params: dict[str, Any], avals: Sequence[Any]) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """A form of ``lax.conv_general_dilated`` as matrix products, or None."""
    lhs, rhs = avals
    if any(a.dtype != np.float32 for a in avals) or 0 in (*lhs.shape, *rhs.shape):
        return None
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1 or len(lhs.shape) < 3:
        return None
    if params["preferred_element_type"] not in (None, np.float32):
        return None
    numbers = params["dimension_numbers"]
    size, kernel = ([a.shape[i] for i in spec[2:]] for a, spec in ((lhs, numbers.lhs_spec), (rhs, numbers.rhs_spec)))
    out = [
        ((n - 1) * ld + 1 + lo + hi - ((k - 1) * rd + 1)) // s + 1
        for n, k, s, (lo, hi), ld, rd in zip(
            size, kernel, params["window_strides"], params["padding"], params["lhs_dilation"], params["rhs_dilation"],
            strict=True,
        )
    ]  # fmt: skip
    if min(out) < 1 or min(math.prod(kernel), math.prod(out)) > MAX_TAPS:
        return None
    kernels = (tuple(kernel), tuple(params["rhs_dilation"]))
    places = (tuple(out), tuple(params["window_strides"]))
    if math.prod(kernel) <= math.prod(out):
        return _per_image(Windows(*kernels, *places), params)
    return _over_images(Windows(*places, *kernels), params)


def _per_image(windows: Windows, params: dict[str, Any]) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """out[image, place] = patches[image, place] @ kernel: the forward pass and the gradient of the input."""
    numbers = params["dimension_numbers"]

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        x = _to_last(lhs, numbers.lhs_spec)  # (N, *size, C)
        w = jnp.transpose(rhs, (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0]))  # (*K, C, O)
        w = w.reshape(-1, w.shape[-1])

        def block(x: jax.Array) -> jax.Array:
            padded = pad(x, 0.0, params["padding"], params["lhs_dilation"])
            patches = windows.patches(padded)
            return (patches.reshape(-1, w.shape[0]) @ w).reshape(*patches.shape[:-1], w.shape[1])

        images = x.shape[0]
        step = max(1, BLOCK_BYTES // (4 * windows.area * w.shape[0]))
        if step >= images:
            return _from_last(block(x), numbers.out_spec)
        full = images // step * step
        blocks = lax.map(block, x[:full].reshape(-1, step, *x.shape[1:]))
        out = blocks.reshape(full, *blocks.shape[2:])
        if full < images:
            out = jnp.concatenate([out, block(x[full:])])
        return _from_last(out, numbers.out_spec)

    return convolve


def _over_images(windows: Windows, params: dict[str, Any]) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """out[tap] = sum over images and places of patches[image, place, tap]^T @ signal: the gradient of the kernel.

    The convolution sums over its feature axis, which here runs over the images of the minibatch.
    """
    numbers = params["dimension_numbers"]
    lhs_batch, lhs_feature, *lhs_spatial = numbers.lhs_spec
    rhs_out, rhs_in, *rhs_spatial = numbers.rhs_spec

    def convolve(lhs: jax.Array, rhs: jax.Array) -> jax.Array:
        x = jnp.transpose(lhs, (lhs_feature, *lhs_spatial, lhs_batch))  # (images, *size, C)
        y = jnp.transpose(rhs, (rhs_in, *rhs_spatial, rhs_out))  # (images, *places, O)
        images, channels, features = x.shape[0], x.shape[-1], y.shape[-1]
        width = windows.count * channels

        def block(x: jax.Array, y: jax.Array) -> jax.Array:
            padded = pad(x, 0.0, params["padding"], params["lhs_dilation"])
            patches = windows.patches(padded).reshape(-1, width)
            return patches.T @ y.reshape(-1, features)  # (taps * C, O)

        step = max(1, BLOCK_BYTES // (4 * windows.area * width))
        if step >= images:
            total = block(x, y)
        else:
            full = images // step * step
            total = jnp.zeros((width, features), x.dtype) if full == images else block(x[full:], y[full:])
            xs = (x[:full].reshape(-1, step, *x.shape[1:]), y[:full].reshape(-1, step, *y.shape[1:]))
            total, _ = lax.scan(lambda c, xy: (c + block(*xy), None), total, xs)
        out = total.reshape(*windows.taps, channels, features)
        return _from_last(jnp.moveaxis(out, -2, 0), numbers.out_spec)

    return convolve


def _to_last(x: jax.Array, spec: Sequence[int]) -> jax.Array:
    """``x``, laid out by ``spec`` (batch, feature, \\*spatial), as (batch, \\*spatial, feature)."""
    return jnp.transpose(x, (spec[0], *spec[2:], spec[1]))


def _from_last(x: jax.Array, spec: Sequence[int]) -> jax.Array:
    """The inverse of :func:`_to_last`."""
    order = (spec[0], *spec[2:], spec[1])
    return jnp.transpose(x, [order.index(i) for i in range(x.ndim)])
