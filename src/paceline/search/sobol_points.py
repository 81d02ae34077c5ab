"""The points of a scrambled Sobol sequence.

They are those of ``scipy.stats.qmc.Sobol``, bit for bit, without the half second in which
`scipy.stats` is imported. Direction numbers: Joe, Kuo, "Constructing Sobol sequences with better
two-dimensional projections" (2008), from SciPy's table; the rest of each row by the recurrence of
Bratley, Fox, "Algorithm 659" (1988). Scrambling: a random lower triangular matrix for each
dimension, and a random shift; Matousek, "On the L2-discrepancy for anchored boxes" (1998).

| symbol | meaning |
| --- | --- |
| d | number of dimensions |
| B | bits of a coordinate, 30; the first one is worth a half |
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

BLOCK = 256
"""Points that are made at once."""

_BITS = 30
_TABLE = "_sobol_direction_numbers.npz"

Bits = npt.NDArray[np.int64]


@lru_cache(maxsize=16)
def points(dimensions: int, seed: int, block: int) -> npt.NDArray[np.float64]:
    """Points ``256 block`` to ``256 (block + 1)`` of a sequence, shape [256, dimensions].

    Args:
        dimensions: d, at least 1.
        seed: of the scrambling, from 0.
        block: from 0.
    """
    scrambled = _scrambled(dimensions, seed)
    if scrambled is None:
        return _points_of_scipy(dimensions, seed, block)
    shift, directions = scrambled
    number = np.arange(block * BLOCK, (block + 1) * BLOCK)
    gray = number ^ (number >> 1)
    found = np.tile(shift, (BLOCK, 1))
    for bit in range(int(gray.max()).bit_length()):
        found ^= ((gray >> bit) & 1)[:, None] * directions[:, bit]
    return found.astype(np.float64) * 0.5**_BITS


@lru_cache(maxsize=4)
def _scrambled(dimensions: int, seed: int) -> tuple[Bits, Bits] | None:
    """The shift [d] and the direction numbers [d, B], scrambled; None without SciPy's table."""
    directions = _directions(dimensions)
    if directions is None:
        return None
    # in the order in which SciPy draws them, of the generator that it spawns
    (rng,) = np.random.default_rng(seed).spawn(1)
    drawn = rng.integers(2, size=(dimensions, _BITS), dtype=np.uint32).astype(np.int64)
    shift = drawn @ (1 << np.arange(_BITS))
    matrices = rng.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32)
    lower = np.tril(matrices, -1).astype(np.int64) + np.eye(_BITS, dtype=np.int64)
    places = np.arange(_BITS - 1, -1, -1)
    bits = (directions[:, :, None] >> places) & 1
    return shift, ((bits @ lower.transpose(0, 2, 1)) & 1) @ (1 << places)


@lru_cache(maxsize=4)
def _directions(dimensions: int) -> Bits | None:
    """Direction numbers, [d, B]; None where SciPy has no table of so many."""
    package = find_spec("scipy")  # without importing scipy.stats
    folders = [] if package is None else package.submodule_search_locations or []
    try:
        with np.load(Path(*folders[:1], "stats", _TABLE)) as table:
            polynomials, first = table["poly"][:dimensions], table["vinit"][:dimensions]
    except (OSError, KeyError, ValueError):
        return None
    if len(polynomials) < dimensions:
        return None
    found = np.ones((dimensions, _BITS), dtype=np.int64)
    for row in range(1, dimensions):
        polynomial, own = int(polynomials[row]), list(map(int, first[row]))
        degree = polynomial.bit_length() - 1
        own = own[:degree]
        for at in range(degree, _BITS):
            new = own[at - degree]
            for k in range(degree):
                if polynomial >> (degree - 1 - k) & 1:
                    new ^= own[at - k - 1] << (k + 1)
            own.append(new)
        found[row] = own
    return found << np.arange(_BITS - 1, -1, -1)


def _points_of_scipy(dimensions: int, seed: int, block: int) -> npt.NDArray[np.float64]:
    from scipy.stats import qmc

    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if block:
        engine.fast_forward(block * BLOCK)
    found: npt.NDArray[np.float64] = engine.random(BLOCK)
    return found
