"""Tests whether a configuration is better than another on the same pairs of seed and split.

| symbol | meaning |
| --- | --- |
| J | pairs |
| d | differences on each pair, shape (J,) |
| share | rows of the validation part over rows of the training part, if splits differ; else 0 |
| t | mean(d) / sqrt((1 / J + share) var(d)), with J - 1 degrees of freedom |
| m | 1 / (1 / J + share): the equivalent number of independent pairs |

Splits drawn from the same data share most of their rows, so their differences are correlated and
1 / J alone is too small: Nadeau and Bengio, "Inference for the generalization error" (Machine
Learning 52, 2003). If only seeds differ, share = 0 and it is the ordinary paired t.

If all differences are equal, t is undefined. This does not mean that there is no evidence:

* If both configurations had a single score on all pairs, a and b, p = 2 / 4^m. If their scores were
  equally distributed, with probabilities p_1, p_2, ..., this would happen with the probability of
  the sum of (p_i p_j)^m over all i and j that differ, which is largest for two equally likely
  scores: 2 / 4^m.
* If their scores differ between pairs but their difference does not, the two are not independent on
  a pair, and p = 2 / 2^J, that of the sign test. This occurs with a coarse metric, for which a few
  equal differences are weak evidence.

Holm: "A simple sequentially rejective multiple test procedure" (Scandinavian Journal of Statistics
6, 1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.stats.ranks import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A mean difference with its test.

    Attributes:
        mean: of d.
        low, high: interval, at its level in Holm's procedure: it excludes 0 exactly if ``p_holm``
            is at most 0.05. NaN for a single pair, or if all differences are equal and not exact.
        p: two-sided p-value of no difference; NaN for a single pair.
        p_holm: corrected for the number of differences tested.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float


def exact_difference(d: "NDArray[np.float64]") -> PairedDifference:
    """The difference of two scores without randomness."""
    difference, p = float(d[0]), 0.0 if d[0] else 1.0
    return PairedDifference(difference, difference, difference, p, p)


def compare_pairs(
    differences: Sequence["NDArray[np.float64]"],
    share: float,
    level: float = 0.05,
    steady: Sequence[bool] | None = None,
) -> list[PairedDifference]:
    """Tests several differences with a family-wise error rate of at most ``level``.

    Args:
        differences: d of each, finite; of several pairs each.
        share: see the module; 0 if the splits are equal.
        level: of all tests together.
        steady: for each difference, whether both configurations had a single score on all pairs;
            None if unknown.
    """
    steady = steady or [False] * len(differences)
    p_values = [
        p_value(d, share, is_steady) for d, is_steady in zip(differences, steady, strict=True)
    ]
    corrected = holm(p_values)
    tested = sorted(p for p in p_values if not math.isnan(p))
    rejected = sum(p <= level for p in corrected)
    found = []
    for d, p, p_holm in zip(differences, p_values, corrected, strict=True):
        # the step of Holm's procedure at which it was tested, or at which it stopped
        step = tested.index(p) if p_holm <= level else rejected
        half = math.nan if math.isnan(p) else _half_width(d, share, level / (len(tested) - step))
        mean = float(np.mean(d)) if len(d) else math.nan
        found.append(PairedDifference(mean, mean - half, mean + half, p, p_holm))
    return found


def p_value(d: "NDArray[np.float64]", share: float, steady: bool = False) -> float:
    """The two-sided p-value of Nadeau and Bengio's corrected t; NaN for fewer than two pairs.

    If all differences are equal, see the module; ``steady`` as in `compare_pairs`.
    """
    from scipy.special import stdtr

    if len(d) < 2:
        return math.nan
    if _is_constant(d) and not np.any(d):
        return 1.0
    if _is_constant(d):
        return (
            float(min(1.0, 2 * 4 ** (-1 / (1 / len(d) + share)))) if steady else 2.0 ** (1 - len(d))
        )
    return float(2 * stdtr(len(d) - 1, -abs(np.mean(d)) / _error(d, share)))


def _half_width(d: "NDArray[np.float64]", share: float, level: float) -> float:
    from scipy.special import stdtrit

    if _is_constant(d):
        return math.nan
    return float(stdtrit(len(d) - 1, 1 - level / 2)) * _error(d, share)


def _error(d: "NDArray[np.float64]", share: float) -> float:
    return math.sqrt((1 / len(d) + share) * float(np.var(d, ddof=1)))


def _is_constant(d: "NDArray[np.float64]") -> bool:
    return bool(np.ptp(d) <= 1e-12 * np.max(np.abs(d), initial=0.0))
