"""Candidates: random ones, perturbations of the best, and local search.

| symbol | meaning |
| --- | --- |
| U, Z | free and settled coordinates, see `paceline.search.bayes.coordinates` |
"""

from collections.abc import Callable

import numpy as np

from paceline.search.bayes.coordinates import Array, CoordinateAxis, Coordinates, Mask

_MOST_FLIPS = 16
_STEPS = np.array([-1.0, -0.4, -0.1, 0.1, 0.4, 1.0])


def perturbed(coordinates: Coordinates, U: Array, rng: np.random.Generator, scale: Array) -> Array:
    """Moves at least one coordinate of each row: numbers by a normal step, categories at random.

    Args:
        coordinates: of the space.
        U: rows to start from, [m, d].
        rng: random numbers.
        scale: standard deviation of a step for each row, [m].
    """
    m, d = U.shape
    expected = np.where(np.arange(m) % 2 == 0, 1.0, max(1.0, d / 3))
    moved = rng.random((m, d)) < np.minimum(1.0, expected / d)[:, None]
    moved[np.arange(m), rng.integers(d, size=m)] = True
    out = U.copy()
    for at, axis in enumerate(coordinates.axes):
        fresh, steps = rng.random((m,)), scale * rng.standard_normal((m,))
        there = fresh if axis.is_category else _stepped(axis, U[:, at], steps, fresh)
        out[:, at] = np.where(moved[:, at], there, out[:, at])
    return out


def _stepped(axis: CoordinateAxis, u: Array, step: Array, side: Array) -> Array:
    """Numbers after a step of at least one value, reflected at the ends.

    ``side`` in [0, 1) sets the direction of small steps.
    """
    if axis.levels is not None:
        least = 1.0 / len(axis.levels)
        step = np.where(np.abs(step) < least, np.where(side < 0.5, -least, least), step)
    there = np.abs(u + step)
    reflected: Array = np.clip(np.where(there > 1, 2 - there, there), 0.0, 1.0)
    return reflected


def neighbours(coordinates: Coordinates, U: Array, step: Array) -> Array:
    """Points that differ in one coordinate: all values of a short axis, two steps on a long one.

    Args:
        coordinates: of the space, in which something varies.
        U: rows to start from, [m, d].
        step: length of a step, for each row, [m].

    Returns:
        For each row k points, shape [m, k, d].
    """
    stepped = np.clip(U[:, None] + (step[:, None] * _STEPS)[:, :, None], 0.0, 1.0)  # [m, steps, d]
    values = {
        at: axis.levels
        if axis.levels is not None and (len(axis.levels) <= _MOST_FLIPS or axis.is_category)
        else stepped[:, :, at]
        for at, axis in enumerate(coordinates.axes)
        if axis.varies
    }
    points = np.repeat(U[:, None], sum(there.shape[-1] for there in values.values()), axis=1)
    first = 0
    for at, there in values.items():
        points[:, first : first + there.shape[-1], at] = there
        first += there.shape[-1]
    return points


def polished(
    coordinates: Coordinates,
    U: Array,
    score: Callable[[Array], Array],
    start: Array,
    is_new: Callable[[Array], Mask],
    rounds: int,
) -> tuple[Array, Array]:
    """Moves each row to its best neighbour until none is better; steps shrink where none is.

    Args:
        coordinates: of the space.
        U: rows to start from, [m, d].
        score: of settled coordinates, to be maximised.
        start: scores of U, [m].
        is_new: which settled coordinates may be proposed.
        rounds: maximum number of steps.

    Returns:
        The final rows, with their scores.
    """
    U, best, step = U.copy(), start.copy(), np.full(len(U), 0.1)
    alive = np.ones(len(U), dtype=bool)
    discrete = all(axis.levels is not None for axis in coordinates.axes)
    for _ in range(rounds):
        climbing = np.flatnonzero(alive)
        if not len(climbing):
            break
        points = neighbours(coordinates, U[climbing], step[climbing])
        Z = coordinates.settle(points.reshape(-1, U.shape[1]))
        values = np.where(is_new(Z), score(Z), -np.inf).reshape(points.shape[:2])
        for i, top, own, there in zip(
            climbing, np.argmax(values, axis=1), values, points, strict=True
        ):
            if own[top] > best[i] + 1e-9:
                U[i], best[i] = there[top], own[top]
            elif discrete or step[i] < 2e-3:
                alive[i] = False
            else:
                step[i] *= 0.35
    return U, best
