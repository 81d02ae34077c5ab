"""Estimates the mean of the best of several, from the same measurements that selected it.

| symbol | meaning |
| --- | --- |
| K, J | configurations; pairs of seed and split on which each was trained |
| y | gains, shape (K, J), larger is better: y_kj = mu_k + b_j + e_kj, b_j is common to a pair |
| x, v | means over the pairs, and variances of the mean of e_k, shape (K,) |
| s | the selected one: the largest of x |
| gamma | the amount of noise added before selecting |
| z | standard normal numbers |

The mean of the best is too large: x_s is mu_s plus the noise that made s the best. Plain t
intervals around it covered mu_s in 84 to 95 % of our simulations, least often if all are equal.

**Estimate.** Noise is added and subtracted: u = x + gamma sqrt(v) z and w = x - sqrt(v) z / gamma
are independent, so w of the largest of u is unbiased. Averaged over z (by a quadrature) this is a
smooth function f(x), with mean exactly mu of the one that u selects, and it equals x_s if s is far
ahead. The effects of pairs neither select nor bias. Source: coupled bootstrap, Oliveira, Lei,
Tibshirani, "Unbiased risk estimation in the normal means problem via coupled bootstrap techniques"
(arXiv 2111.09447); the same as data fission of Leiner, Duan, Wasserman, Ramdas (JASA 2023). gamma =
0.55 corresponds to selecting by three quarters of the pairs and scoring on the rest, averaged over
all divisions: a smaller one would be noisier, a larger one would estimate a worse selection.

**Interval.** Its squared half width is t_s^2 + c: t_s is that of the plain t interval (J - 1
degrees of freedom), c the square of a t quantile times the variance of f beyond that of x_s, by a
parametric bootstrap from means that are shrunken (James and Stein) to the spread of the true ones.
Efron, "Estimation and accuracy after model selection" (JASA 2014), has the smooth estimate with a
bootstrap; Zou and Donner (Statistics in Medicine 27, 2008) the sum of two such squares. If the
others are far behind, c is 0. `benchmarks/coverage.py` measures the coverage.

v_k: the estimate of the separate variances in a two-way table (Grubbs, JASA 1948; Shukla, Heredity
1972), moderated towards their average (Smyth, Statistical Applications in Genetics and Molecular
Biology 3, 2004). If single trainings are outliers, such as a loss for a validation part with an
unusual row, means over the table would attribute them to the noise of all configurations. Then
medians are used (Tukey's median polish, one pass; Exploratory Data Analysis, 1977).
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
"""Level of all tests; intervals have a coverage of 1 - LEVEL."""

_GAMMA = 0.55
# degrees of freedom of the average of the variances, against J - 1 of each single one
_PRIOR = 4.0
_MIN_VARIANCE = 0.1  # times the average
_OUTLIER, _MEDIAN_OF_NORMAL = 10.0, 0.6745
_MIN_CONFIGS, _MIN_PAIRS = 4, 5  # for medians to be meaningful
_DRAWS = 256
_COARSE, _FINE, _OUTERMOST = 13, 161, 5.0  # nodes of the quadrature, and their range
_MIN_WIDTH = 0.5  # times the t interval


@dataclass(frozen=True, slots=True)
class SelectedBest:
    """The configuration with the best mean.

    Attributes:
        place: its index in the K.
        expected: its expected gain: its mean corrected for the selection.
        standard_error: of ``expected``; NaN for a single pair.
        half_width: of the 95 % interval around ``expected``; NaN for a single pair.
    """

    place: int
    expected: float
    standard_error: float
    half_width: float


def select_best(gains: "Floats") -> SelectedBest:
    """Selects the largest mean and estimates its expected gain.

    Args:
        gains: y, finite; K and J at least 1.
    """
    order = np.argsort(-gains.mean(axis=1), kind="stable")
    place, gains = int(order[0]), gains[order]
    K, J = gains.shape
    x, (mean, own, half) = gains.mean(axis=1), t_interval(gains[0])
    v = _own_variances(gains) / J
    # no estimate of the noise, nothing to select from, or no noise
    if J < 2 or K < 2 or not np.all(v > 0):
        return SelectedBest(place, mean, own, half)
    beyond = _variance_beyond(_shrunken(x, float(v.mean())), np.sqrt(v))
    squared = half**2 + _quantile((K - 1) * (J - 1)) ** 2 * beyond
    return SelectedBest(
        place,
        float(_smoothed(x, np.sqrt(v), _FINE)),
        math.sqrt(max(own**2 + beyond, (_MIN_WIDTH * own) ** 2)),
        math.sqrt(max(squared, (_MIN_WIDTH * half) ** 2)),
    )


def t_interval(gains: "Floats") -> tuple[float, float, float]:
    """Mean, standard error and half width of the t interval of gains without selection, (J,)."""
    mean, J = float(gains.mean()), len(gains)
    if J < 2:
        return mean, math.nan, math.nan
    error = math.sqrt(float(gains.var(ddof=1)) / J)
    return mean, error, _quantile(J - 1) * error


def _smoothed(x: "Floats", deviation: "Floats", num_nodes: int) -> "Floats":
    """f(x) for x of shape (..., K); returns shape (...).

    f = sum over k of the integral of (x_k - deviation_k z / gamma) phi(z) P(k is selected | z) dz.

    Args:
        x: means.
        deviation: standard deviations of the means, shape (K,).
        num_nodes: of the quadrature.
    """
    from scipy.special import ndtr

    noise, behind = _GAMMA * deviation, x - x[..., :1]
    # of k over l, in units of the noise of l
    ahead = (behind[..., :, None] - behind[..., None, :]) / noise
    ratio = noise[:, None] / noise
    each = np.arange(len(deviation))
    total = x[..., 0].copy()
    for z, weight in zip(*_quadrature(num_nodes), strict=True):
        beats = ndtr(ahead + ratio * z)
        beats[..., each, each] = 1.0
        total += weight * ((behind - deviation / _GAMMA * z) * beats.prod(axis=-1)).sum(axis=-1)
    return total


def _variance_beyond(x: "Floats", deviation: "Floats") -> float:
    """The variance of f beyond that of the best mean (the first) if x were the truth."""
    draws = _draws(len(x)) * deviation
    return float(_smoothed(x + draws, deviation, _COARSE).var() - draws[:, 0].var())


def _shrunken(x: "Floats", variance: float) -> "Floats":
    """The means shrunken as far as noise has spread them, by James and Stein's positive part."""
    middle, spread = x.mean(), float(((x - x.mean()) ** 2).sum())
    if len(x) < 4 or spread == 0.0:
        return x
    return np.asarray(middle + max(0.0, 1.0 - (len(x) - 3) * variance / spread) * (x - middle))


def outliers(gains: "Floats") -> "NDArray[np.bool_]":
    """Which gains, shape (K, J), are outliers among those of their configuration.

    Farther than `_OUTLIER` robust deviations, by the median of absolute residuals without the
    effects of pairs. None if there are too few.
    """
    K, J = gains.shape
    if K < _MIN_CONFIGS or J < _MIN_PAIRS:
        return np.zeros(gains.shape, bool)
    residuals = np.abs(_residuals(gains))
    deviation = (
        np.maximum(np.median(residuals, axis=1, keepdims=True), np.median(residuals))
        / _MEDIAN_OF_NORMAL
    )
    return np.asarray((residuals > _OUTLIER * deviation) & (deviation > 0))


def _residuals(gains: "Floats") -> "Floats":
    """Gains without the median of each configuration and then that of each pair."""
    own = gains - np.median(gains, axis=1, keepdims=True)
    return np.asarray(own - np.median(own, axis=0, keepdims=True))


def _own_variances(gains: "Floats") -> "Floats":
    """The moderated variance of e_k for each k; 0 for a single one, equal for two."""
    K, J = gains.shape
    if K < 2 or J < 2:
        return np.zeros(K)
    by_config, by_pair = gains.mean(axis=1, keepdims=True), gains.mean(axis=0, keepdims=True)
    squares = ((gains - by_config - by_pair + gains.mean()) ** 2).sum(axis=1) / (J - 1)
    average = float(squares.sum()) / (K - 1)
    scale = float(np.abs(gains).max())
    if average <= (1e-12 * scale) ** 2:  # rounding
        return np.zeros(K)
    if K == 2:
        return np.full(K, average)
    own = K / (K - 2) * (squares - average / K)
    if outliers(gains).any():  # outliers must not count as noise of all
        own = _residuals(gains).var(axis=1, ddof=1)
        average = float(np.median(own))
    moderated = (_PRIOR * average + (J - 1) * own) / (_PRIOR + J - 1)
    return np.asarray(np.maximum(moderated, _MIN_VARIANCE * average))


@lru_cache(maxsize=2)
def _quadrature(num_nodes: int) -> tuple["Floats", "Floats"]:
    """Nodes and weights for a mean over a standard normal number, by the trapezoidal rule."""
    nodes = np.linspace(-_OUTERMOST, _OUTERMOST, num_nodes)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


@lru_cache(maxsize=4)
def _draws(K: int) -> "Floats":
    """Standard normal numbers (draws, K) with means exactly 0 and the identity as covariance."""
    half = np.random.default_rng(0).standard_normal((_DRAWS // 2, K))
    even = np.linalg.qr(half)[0] * math.sqrt(_DRAWS / 2)
    return np.concatenate([even, -even])


@lru_cache(maxsize=64)
def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - LEVEL / 2))
