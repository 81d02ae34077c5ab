"""What the best of several is worth, estimated from the very trainings that picked it.

| symbol | meaning |
| --- | --- |
| K, J | configurations; pairs of seed and split on which each was trained |
| y | gains, shape (K, J), larger is better: y_kj = mu_k + b_j + e_kj, where b_j is common to all on one pair |
| x, v | means over the pairs and the variances of their own part (the mean of e_k), shape (K,) |
| s | the one picked: the largest of x |
| gamma | how much noise is added before picking |
| z | standard normal numbers |

The mean of the best is too good: x_s is mu_s plus what made s the best. Plain t intervals around it
covered mu_s in 84 to 95 % of our simulations, most seldom where all are equal.

**Estimate.** Add noise and take it off again: u = x + gamma sqrt(v) z and w = x - sqrt(v) z / gamma
are independent, so that w of whoever is the largest of u has just its own mean. Averaged over z (a
quadrature, below) this is a smooth function f(x), of mean exactly mu of the one that u picks, and
it is x_s where s is far ahead. What is common to a pair neither picks nor biases. Source: coupled
bootstrap, Oliveira, Lei, Tibshirani, "Unbiased risk estimation in the normal means problem via
coupled bootstrap techniques" (arXiv 2111.09447); the same as data fission of Leiner, Duan,
Wasserman, Ramdas (JASA 2023). gamma = 0.55 has the effect of picking with three quarters of the
pairs and scoring on the rest, averaged over all ways to divide them: less would be noisier, more
would answer for a worse pick.

**Interval.** Its half width squared is t_s^2 + c: t_s is that of the plain t interval (J - 1
degrees of freedom), c the square of a t quantile times what f varies beyond x_s, by a parametric
bootstrap from means that are shrunken (James and Stein) to be no further apart than the truth is.
Efron, "Estimation and accuracy after model selection" (JASA 2014), has the smooth estimate with a
bootstrap; Zou and Donner (Statistics in Medicine 27, 2008) the sum of two such squares. With the
others far behind, c is nought. `benchmarks/coverage.py` measures all of it.

v_k: the estimate of each one's own variance in a two-way table (Grubbs, JASA 1948; Shukla, Heredity
1972), moderated towards their average (Smyth, Statistical Applications in Genetics and Molecular
Biology 3, 2004). Where single trainings are far off, as a loss is where a validation part holds a
row unlike all others, means over the table would take them for noise of every configuration. Then
medians stand in for them (Tukey's median polish, one pass; Exploratory Data Analysis, 1977).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.05
"""Of all tests, and of all intervals what they miss."""

_GAMMA = 0.55
# degrees of freedom that the average of the variances counts for, against J - 1 of each one's own
_PRIOR = 4.0
_LEAST_VARIANCE = 0.1  # of the average
_FAR, _MEDIAN_OF_NORMAL = 10.0, 0.6745
_FEWEST_CONFIGS, _FEWEST_PAIRS = 4, 5  # of fewer, medians say little
_DRAWS = 256
_COARSE, _FINE, _OUTERMOST = 13, 161, 5.0  # nodes of the quadrature, and where they end
_NARROWEST = 0.5  # of the plain t interval


@dataclass(frozen=True, slots=True)
class Picked:
    """The one with the best mean.

    Attributes:
        place: which of the K it is.
        expected: what a training of it is expected to gain: its mean without the luck that made it
            the best.
        standard_error: of ``expected``; NaN from a single pair.
        half_width: of the 95 % interval around ``expected``; NaN from a single pair.
    """

    place: int
    expected: float
    standard_error: float
    half_width: float


def best_of(gains: "Floats") -> Picked:
    """Picks the largest mean and says what it is worth.

    Args:
        gains: y, finite; K and J at least 1.
    """
    order = np.argsort(-gains.mean(axis=1), kind="stable")
    place, gains = int(order[0]), gains[order]
    K, J = gains.shape
    x, (mean, own, half) = gains.mean(axis=1), plain(gains[0])
    v = _own_variances(gains) / J
    if (
        J < 2 or K < 2 or not np.all(v > 0)
    ):  # nothing to tell luck by, to pick from, or that any of it could be luck
        return Picked(place, mean, own, half)
    beyond = _variance_beyond(_shrunken(x, float(v.mean())), np.sqrt(v))
    squared = half**2 + _quantile((K - 1) * (J - 1)) ** 2 * beyond
    return Picked(
        place,
        float(_smoothed(x, np.sqrt(v), _FINE)),
        math.sqrt(max(own**2 + beyond, (_NARROWEST * own) ** 2)),
        math.sqrt(max(squared, (_NARROWEST * half) ** 2)),
    )


def plain(gains: "Floats") -> tuple[float, float, float]:
    """Mean, standard error and half width of the plain t interval of gains that picked nothing,
    shape (J,).
    """
    mean, J = float(gains.mean()), len(gains)
    if J < 2:
        return mean, math.nan, math.nan
    error = math.sqrt(float(gains.var(ddof=1)) / J)
    return mean, error, _quantile(J - 1) * error


def _smoothed(x: "Floats", deviation: "Floats", num_nodes: int) -> "Floats":
    """f(x), of shape (..., K), with the standard deviation of each mean's own part, shape (K,);
    gives shape (...).

    f = sum over k of the integral of (x_k - deviation_k z / gamma) phi(z) P(k is picked | z) dz.
    """
    from scipy.special import ndtr

    noise, behind = _GAMMA * deviation, x - x[..., :1]
    ahead = (
        behind[..., :, None] - behind[..., None, :]
    ) / noise  # of k on l, in units of the noise of l
    ratio = noise[:, None] / noise
    each = np.arange(len(deviation))
    total = x[..., 0].copy()
    for z, weight in zip(*_quadrature(num_nodes), strict=True):
        beats = ndtr(ahead + ratio * z)
        beats[..., each, each] = 1.0
        total += weight * ((behind - deviation / _GAMMA * z) * beats.prod(axis=-1)).sum(axis=-1)
    return total


def _variance_beyond(x: "Floats", deviation: "Floats") -> float:
    """How much more f varies than the mean of the best, the first, were x the truth; the draws are
    always the same.
    """
    draws = _draws(len(x)) * deviation
    return float(_smoothed(x + draws, deviation, _COARSE).var() - draws[:, 0].var())


def _shrunken(x: "Floats", variance: float) -> "Floats":
    """The means drawn together as far as their noise spread them, by James and Stein's positive
    part.
    """
    middle, spread = x.mean(), float(((x - x.mean()) ** 2).sum())
    if len(x) < 4 or spread == 0.0:
        return x
    return np.asarray(middle + max(0.0, 1.0 - (len(x) - 3) * variance / spread) * (x - middle))


def far_off(gains: "Floats") -> "NDArray[np.bool_]":
    """Which gains, of shape (K, J), lie far off the others of the same configuration, but for what
    is common to a pair.

    Farther than `_FAR` deviations, told robustly, by the median of absolute residuals. None where
    there are too few.
    """
    K, J = gains.shape
    if K < _FEWEST_CONFIGS or J < _FEWEST_PAIRS:
        return np.zeros(gains.shape, bool)
    residuals = np.abs(_residuals(gains))
    deviation = (
        np.maximum(np.median(residuals, axis=1, keepdims=True), np.median(residuals))
        / _MEDIAN_OF_NORMAL
    )
    return np.asarray((residuals > _FAR * deviation) & (deviation > 0))


def _residuals(gains: "Floats") -> "Floats":
    """What is left of gains without the median of each configuration and then that of each pair."""
    own = gains - np.median(gains, axis=1, keepdims=True)
    return np.asarray(own - np.median(own, axis=0, keepdims=True))


def _own_variances(gains: "Floats") -> "Floats":
    """The variance of e_k for each k, moderated; nought where there is one, all the same of two."""
    K, J = gains.shape
    if K < 2 or J < 2:
        return np.zeros(K)
    by_one, by_pair = gains.mean(axis=1, keepdims=True), gains.mean(axis=0, keepdims=True)
    squares = ((gains - by_one - by_pair + gains.mean()) ** 2).sum(axis=1) / (J - 1)
    average = float(squares.sum()) / (K - 1)
    scale = float(np.abs(gains).max())
    if average <= (1e-12 * scale) ** 2:  # rounding
        return np.zeros(K)
    if K == 2:
        return np.full(K, average)
    own = K / (K - 2) * (squares - average / K)
    if far_off(gains).any():  # one of them must not count as noise of all
        own = _residuals(gains).var(axis=1, ddof=1)
        average = float(np.median(own))
    moderated = (_PRIOR * average + (J - 1) * own) / (_PRIOR + J - 1)
    return np.asarray(np.maximum(moderated, _LEAST_VARIANCE * average))


@lru_cache(maxsize=2)
def _quadrature(num_nodes: int) -> tuple["Floats", "Floats"]:
    """Nodes and weights for the mean over a standard normal number: the trapezoidal rule, whose
    error falls fast.
    """
    nodes = np.linspace(-_OUTERMOST, _OUTERMOST, num_nodes)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


@lru_cache(maxsize=4)
def _draws(K: int) -> "Floats":
    """Standard normal numbers, shape (draws, K), whose means are exactly 0 and covariances those of
    the identity.
    """
    half = np.random.default_rng(0).standard_normal((_DRAWS // 2, K))
    even = np.linalg.qr(half)[0] * math.sqrt(_DRAWS / 2)
    return np.concatenate([even, -even])


@lru_cache(maxsize=64)
def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - LEVEL / 2))
