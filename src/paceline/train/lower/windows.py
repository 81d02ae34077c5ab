"""Cutting an array into the shifted, strided views that a window sliding over it sees."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax


@dataclass(frozen=True)
class Windows:
    """``taps`` positions inside a window times ``places`` of the window, over the spatial axes of (batch, \\*size, channels).

    Position t and place p meet at index ``t * tap_step + p * place_step`` of the padded array.
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

    def views(self, padded: jax.Array) -> Iterator[jax.Array]:
        """For each tap in row-major order what it sees at every place: (batch, \\*places, channels)."""
        stop = [(p - 1) * s + 1 for p, s in zip(self.places, self.place_step, strict=True)]
        for tap in itertools.product(*map(range, self.taps)):
            start = [t * s for t, s in zip(tap, self.tap_step, strict=True)]
            limit = [a + b for a, b in zip(start, stop, strict=True)]
            yield lax.slice(
                padded,
                (0, *start, 0),
                (padded.shape[0], *limit, padded.shape[-1]),
                (1, *self.place_step, 1),
            )

    def patches(self, padded: jax.Array) -> jax.Array:
        """All views side by side: (batch, \\*places, taps * channels)."""
        views = list(self.views(padded))
        return views[0] if len(views) == 1 else jnp.concatenate(views, axis=-1)


def pad(x: jax.Array, value: float, padding: Sequence[tuple[int, int]], dilation: Sequence[int]) -> jax.Array:
    """``x`` (batch, \\*size, channels) with its spatial axes dilated and padded by ``value`` (negative: cut)."""
    config = [(0, 0, 0), *((lo, hi, d - 1) for (lo, hi), d in zip(padding, dilation, strict=True)), (0, 0, 0)]
    return x if not any(map(any, config)) else lax.pad(x, jnp.asarray(value, x.dtype), config)
