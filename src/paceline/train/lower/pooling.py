"""Pooling without ``reduce_window`` and ``select_and_scatter``."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.lower.windows import Windows, pad, places

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
    windows = _windows(params, aval)
    if windows is None:
        return None

    def pool(x: jax.Array) -> jax.Array:
        padded = pad(x, 0, start, params["padding"], params["base_dilation"])
        return reduce(combine, windows.views(padded, axis=0))

    return pool


def scatter(params: dict[str, Any], avals: Sequence[Any]) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """``select_and_scatter_add``: each element of the source goes to the first largest operand of its window.

    Of several equal ones XLA takes the first in row-major order, and so does this.
    """
    source, operand = avals
    windows = _windows(params, operand)
    if windows is None or windows.places != source.shape or params["select_prim"].name != "ge":
        return None
    rank = len(windows.taps)
    tiled = windows.taps == windows.place_step

    def spread(source: jax.Array, operand: jax.Array) -> jax.Array:
        padded = pad(operand, 0, -math.inf, params["padding"], (1,) * rank)
        parts = _to_first_largest(windows.views(padded, axis=0), source)
        whole = _interleaved(parts, windows) if tiled else _overlapping(parts, windows)
        back = [
            (-lo, n + lo - have, 0)
            for n, have, (lo, _) in zip(operand.shape, whole.shape, params["padding"], strict=True)
        ]
        return whole if whole.shape == operand.shape else lax.pad(whole, jnp.zeros((), source.dtype), back)

    return spread


def _to_first_largest(views: Sequence[jax.Array], source: jax.Array) -> list[jax.Array]:
    """For each view the source where this view is the first to reach the maximum, and 0 elsewhere."""
    largest = reduce(jnp.maximum, views)
    free, parts = jnp.ones(largest.shape, bool), []
    for view in views:
        here = free & (view == largest)
        free = free & ~here
        parts.append(jnp.where(here, source, 0.0))
    return parts


def _interleaved(parts: list[jax.Array], windows: Windows) -> jax.Array:
    """Undoes ``windows.views`` where windows tile the array: (taps, \\*places) -> (\\*(places * taps)).

    One axis after the other, the last first: 2.3 ms on (64, 28, 28, 32), against 3.6 for one transposition,
    10 for a sum of dilated arrays and 27 for XLA's select_and_scatter.
    """
    for axis in reversed(range(len(windows.taps))):
        width = windows.taps[axis]
        if width > 1:
            groups = [jnp.stack(parts[i : i + width], axis + 1) for i in range(0, len(parts), width)]
            parts = [lax.collapse(group, axis, axis + 2) for group in groups]
    return parts[0]


def _overlapping(parts: list[jax.Array], windows: Windows) -> jax.Array:
    """The transpose of ``windows.views``: (taps, \\*places) summed where taps of different places fall together."""
    reach = [
        (t - 1) + (p - 1) * s + 1 for t, p, s in zip(windows.taps, windows.places, windows.place_step, strict=True)
    ]
    spread = []
    for part, tap in zip(parts, itertools.product(*map(range, windows.taps)), strict=True):
        config = [
            (t, n - t - (p - 1) * s - 1, s - 1)
            for t, n, p, s in zip(tap, reach, windows.places, windows.place_step, strict=True)
        ]
        spread.append(lax.pad(part, jnp.zeros((), part.dtype), config))
    return reduce(jnp.add, spread)


def _windows(params: dict[str, Any], aval: Any) -> Windows | None:
    ones = (1,) * len(aval.shape)
    window, strides = tuple(params["window_dimensions"]), tuple(params["window_strides"])
    dilation = tuple(params.get("window_dilation", ones))
    if aval.dtype != np.float32 or 0 in aval.shape or math.prod(window) > MAX_TAPS:
        return None
    where = places(aval.shape, window, strides, params["padding"], params.get("base_dilation", ones), dilation)
    return Windows(window, dilation, where, strides) if min(where) >= 1 else None
