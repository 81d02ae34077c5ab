"""An interval for the squared length of a vector that is known up to noise.

A variance explained is such a length: of the coefficients of a function on an orthonormal basis. Their estimate is
longer than the truth, since noise never cancels in squares, so that a bootstrap percentile interval of the squared
length never reaches 0. Here the question is turned round: for which true lengths would the length that was seen be
neither among the shortest nor among the longest that chance makes of it? That is the inversion that gives exact
intervals of a noncentral chi-square's parameter (Steiger 2004, Psychological Methods 9), with the bootstrap's noise for
the Gaussian.

| symbol | meaning |
| --- | --- |
| c, v | the vector as it was estimated; its unit vector |
| e_b | noise of bootstrap sample b: the vector there minus c |
| s_b | relative noise of the unit in which squares are given, in that sample |
| t_b | the true length that, in the direction of c and with noise e_b, would have been seen as long as c |
"""

from dataclasses import dataclass

import numpy as np

from paceline.stats.axes import Array

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Square:
    """A squared length: what was seen, what is left of it without the noise, and its 95 % interval."""

    raw: float
    value: float
    low: float
    high: float


def squared_length(c: Array, noise: Array, unit_noise: Array | float = 0.0) -> Square:
    """The squared length of a vector.

    Solves ||t v + e_b||^2 = (1 + s_b) ||c||^2 for t in each sample; the estimate is the median of t_b^2, the interval
    lies between its quantiles. All are 0 where noise alone is as long as c.

    Args:
        c: the estimate, shape [k].
        noise: e, shape [num, k].
        unit_noise: s, shape [num].
    """
    seen = float(c @ c)
    v = c / np.sqrt(seen) if seen > 0 else c
    along = noise @ v
    under_root = along**2 - (noise**2).sum(axis=1) + seen * (1 + unit_noise)
    t = np.maximum(0.0, np.sqrt(np.maximum(under_root, 0.0)) - along) * (under_root > 0)
    low, middle, high = np.quantile(t, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]) ** 2
    return Square(seen, float(middle), float(low), float(high))
