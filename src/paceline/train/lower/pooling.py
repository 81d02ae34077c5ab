"""Pooling without ``reduce_window`` and ``select_and_scatter``."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.lower.windows import Windows, pad

MAX_TAPS = 64


def maximum(params: dict[str, Any], avals: Sequence[Any]) -> Callable[[jax.Array], jax.Array] | None:
    """``reduce_window_max`` as a maximum of shifted views."""
    return _reduction(params, avals[0], -math.inf, jnp.maximum)


def total(params: dict[str, Any], avals: Sequence[Any]) -> Callable[[jax.Array], jax.Array] | None:
    """``reduce_window_sum`` as a sum of shifted views."""
    return _reduction(params, avals[0], 0.0, jnp.add)


def _reduction(
    params: dict[str, Any], aval: Any, start: float, combine: Callable[[jax.Array, jax.Array], jax.Array]
) -> Callable[[jax.Array], jax.Array] | None:
    rank = len(aval.shape)
    base, inner = params.get("base_dilation", (1,) * rank), params.get("window_dilation", (1,) * rank)
    if aval.dtype != np.float32 or 0 in aval.shape or math.prod(params["window_dimensions"]) > MAX_TAPS:
        return None
    windows = _windows(params, aval.shape, base, inner)
    if windows is None:
        return None

    def pool(x: jax.Array) -> jax.Array:
        # one leading and one trailing axis: every axis of x is spatial
        padded = pad(x[None, ..., None], start, params["padding"], base)
        return reduce(combine, windows.views(padded))[0, ..., 0]

    return pool


def scatter(params: dict[str, Any], avals: Sequence[Any]) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """``select_and_scatter_add`` where windows do not overlap: each gradient goes to the first largest of its window."""
    source, operand = avals
    window, strides = params["window_dimensions"], params["window_strides"]
    if operand.dtype != np.float32 or 0 in operand.shape or math.prod(window) > MAX_TAPS:
        return None
    if params["select_prim"].name != "ge" or any(s < w for s, w in zip(strides, window, strict=True)):
        return None
    rank = len(operand.shape)
    windows = _windows(params, operand.shape, (1,) * rank, (1,) * rank)
    if windows is None or windows.places != source.shape:
        return None

    def spread(source: jax.Array, operand: jax.Array) -> jax.Array:
        padded = pad(operand[None, ..., None], -math.inf, params["padding"], (1,) * rank)
        views = list(windows.views(padded))
        largest = reduce(jnp.maximum, views)
        free, parts = jnp.ones(largest.shape, bool), []
        for view in views:
            here = free & (view == largest)
            free = free & ~here
            parts.append(jnp.where(here, source[None, ..., None], 0.0))
        # (1, *places, taps) -> (*size)
        stacked = jnp.concatenate(parts, axis=-1).reshape(*windows.places, *windows.taps)
        stacked = lax.pad(stacked, jnp.zeros((), source.dtype), [(0, 0, 0)] * rank + [(0, s - w, 0) for s, w in zip(strides, window, strict=True)])
        order = [axis for i in range(rank) for axis in (i, rank + i)]
        laid = jnp.transpose(stacked, order).reshape([p * s for p, s in zip(windows.places, strides, strict=True)])
        back = [
            (-lo, n + lo - have, 0)
            for n, have, (lo, _) in zip(operand.shape, laid.shape, params["padding"], strict=True)
        ]
        return lax.pad(laid, jnp.zeros((), source.dtype), back)

    return spread


def _windows(
    params: dict[str, Any], shape: Sequence[int], base: Sequence[int], inner: Sequence[int]
) -> Windows | None:
    places = tuple(
        ((n - 1) * b + 1 + lo + hi - ((k - 1) * d + 1)) // s + 1
        for n, k, s, (lo, hi), b, d in zip(
            shape, params["window_dimensions"], params["window_strides"], params["padding"], base, inner, strict=True
        )
    )
    if min(places) < 1:
        return None
    return Windows(tuple(params["window_dimensions"]), tuple(inner), places, tuple(params["window_strides"]))
