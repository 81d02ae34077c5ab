"""Cutting an array into the shifted, strided views that a window sliding over it sees."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax


@dataclass(frozen=True)
class Windows:
    """Positions inside a window (``taps``) and positions of the window (``places``), over neighbouring axes of an array.

    Tap t at place p reads index ``t * tap_step + p * place_step`` of the padded array.
    """

    taps: tuple[int, ...]
    tap_step: tuple[int, ...]
    places: tuple[int, ...]
    place_step: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many taps there are."""
        return math.prod(self.taps)

    @property
    def area(self) -> int:
        """How many places there are."""
        return math.prod(self.places)

    def views(self, padded: jax.Array, axis: int) -> list[jax.Array]:
        """For each tap, in row-major order, what it reads at every place.

        Args:
            padded: (\\*before, \\*size, \\*after).
            axis: where ``size`` begins.

        Returns:
            As many arrays (\\*before, \\*places, \\*after) as there are taps.
        """
        shape, rank = padded.shape, len(self.taps)
        before, after = shape[:axis], shape[axis + rank :]
        steps = (*(1 for _ in before), *self.place_step, *(1 for _ in after))
        views = []
        for tap in itertools.product(*map(range, self.taps)):
            start = [t * s for t, s in zip(tap, self.tap_step, strict=True)]
            stop = [a + (p - 1) * s + 1 for a, p, s in zip(start, self.places, self.place_step, strict=True)]
            first, last = (*(0 for _ in before), *start, *(0 for _ in after)), (*before, *stop, *after)
            views.append(lax.slice(padded, first, last, steps))
        return views

    def patches(self, padded: jax.Array, axis: int, along: int) -> jax.Array:
        """The views of all taps, concatenated along an axis."""
        views = self.views(padded, axis)
        return views[0] if len(views) == 1 else jnp.concatenate(views, axis=along)


def places(
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> tuple[int, ...]:
    """How many places a window has along each axis; 0 or less where it does not fit."""
    return tuple(
        ((n - 1) * d + 1 + lo + hi - ((k - 1) * e + 1)) // s + 1
        for n, k, s, (lo, hi), d, e in zip(size, window, strides, padding, dilation, window_dilation, strict=True)
    )


def pad(
    x: jax.Array, axis: int, value: float, padding: Sequence[tuple[int, int]], dilation: Sequence[int]
) -> jax.Array:
    """``x`` with the axes from ``axis`` on dilated and padded by ``value`` (a negative padding cuts)."""
    config = [(0, 0, 0)] * x.ndim
    for i, ((lo, hi), d) in enumerate(zip(padding, dilation, strict=True)):
        config[axis + i] = (int(lo), int(hi), int(d) - 1)
    return x if not any(map(any, config)) else lax.pad(x, jnp.asarray(value, x.dtype), config)
