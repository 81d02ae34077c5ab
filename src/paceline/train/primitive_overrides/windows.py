"""Windows that slide over an array: their positions, and the elements that they read."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax


@dataclass(frozen=True)
class Windows:
    """Positions in a window (``taps``) and of the window (``places``), for each axis of an array.

    Tap t at place p reads index ``t * tap_step + p * place_step`` of the padded array.
    """

    taps: tuple[int, ...]
    tap_step: tuple[int, ...]
    places: tuple[int, ...]
    place_step: tuple[int, ...]

    def positions(self) -> list[tuple[int, ...]]:
        """All taps, in row-major order."""
        return list(itertools.product(*map(range, self.taps)))

    def views(self, padded: jax.Array) -> list[jax.Array]:
        """For each tap, in row-major order, the elements it reads: arrays of shape ``places``."""
        views = []
        for tap in self.positions():
            start = [t * s for t, s in zip(tap, self.tap_step, strict=True)]
            stop = [
                a + (p - 1) * s + 1
                for a, p, s in zip(start, self.places, self.place_step, strict=True)
            ]
            views.append(lax.slice(padded, start, stop, self.place_step))
        return views

    def back(self, views: Sequence[jax.Array], size: Sequence[int]) -> jax.Array:
        """The transpose of :meth:`views`: each element is the sum of the views that read it.

        Args:
            views: an array of shape ``places`` for each tap.
            size: the padded array's shape.
        """
        if self.taps == self.place_step and set(self.tap_step) == {1}:
            tiled = self._interleaved(list(views))
            return resized(tiled, [(0, n - m) for n, m in zip(size, tiled.shape, strict=True)])
        parts = []
        for view, tap in zip(views, self.positions(), strict=True):
            config = [
                (t * e, n - t * e - (p - 1) * s - 1, s - 1)
                for t, e, n, p, s in zip(
                    tap, self.tap_step, size, self.places, self.place_step, strict=True
                )
            ]
            parts.append(lax.pad(view, jnp.zeros((), view.dtype), config))
        return sum(parts[1:], parts[0])

    def _interleaved(self, views: list[jax.Array]) -> jax.Array:
        """:meth:`back` if windows tile the array, one axis after the other, the last first.

        On (64, 28, 28, 32) and 2x2 windows the gradient of max pooling takes 2.3 ms with this, 3.6
        with a single transposition, 9 as a comparison with a repeated array, 10 as a sum of dilated
        arrays, and 27 in XLA's form.
        """
        for axis, width in reversed(list(enumerate(self.taps))):
            if width > 1:
                groups = [
                    jnp.stack(views[i : i + width], axis + 1) for i in range(0, len(views), width)
                ]
                views = [lax.collapse(group, axis, axis + 2) for group in groups]
        return views[0]


def places(
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> tuple[int, ...]:
    """The number of positions of a window along each axis; 0 or less if it does not fit."""
    return tuple(
        ((n - 1) * d + 1 + lo + hi - ((k - 1) * e + 1)) // s + 1
        for n, k, s, (lo, hi), d, e in zip(
            size, window, strides, padding, dilation, window_dilation, strict=True
        )
    )


def resized(
    x: jax.Array,
    padding: Sequence[tuple[int, int]],
    value: float = 0.0,
    dilation: Sequence[int] | None = None,
) -> jax.Array:
    """``x`` dilated and padded with ``value``; negative padding cuts."""
    steps = [int(d) - 1 for d in dilation or [1] * x.ndim]
    config = [(int(lo), int(hi), step) for (lo, hi), step in zip(padding, steps, strict=True)]
    return lax.pad(x, jnp.asarray(value, x.dtype), config) if any(map(any, config)) else x
