"""Two configurations trained on the same pairs of seed and split: is one of them better?

| symbol | meaning |
| --- | --- |
| J | pairs |
| d | differences on each pair, shape (J,) |
| share | rows of the validation part over rows of the training part, where the splits differ; else 0 |
| t | mean(d) / sqrt((1 / J + share) var(d)), with J - 1 degrees of freedom |
| m | 1 / (1 / J + share): as many independent pairs tell as much |

Splits drawn from one data set share most of their rows, so their differences are alike and 1 / J
alone is too sure: Nadeau and Bengio, "Inference for the generalization error" (Machine Learning 52,
2003). Where only seeds differ, share = 0 and it is the plain paired t.

Differences that are all the same have no spread for t to be measured by. That is no lack of
evidence:

* Where both configurations gave one score each on all pairs, a and b, p = 2 / 4^m. Were their
  scores equally distributed, with probabilities p_1, p_2, ..., this would happen with a probability
  of the sum of (p_i p_j)^m over all i and j that differ, and no distribution has more than two
  equally likely scores have: 2 / 4^m.
* Where their scores differ from pair to pair but not their difference, the two are not independent
  on a pair, and p = 2 / 2^J, the sign test's. So it is with a coarse metric, of which few equal
  differences prove little.

Holm: "A simple sequentially rejective multiple test procedure" (Scandinavian
Journal of Statistics 6, 1979).
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
class Difference:
    """How far one is ahead of another.

    Attributes:
        mean: of d.
        low, high: interval, at the level at which Holm's procedure looked at it: where ``p_holm``
            is at most 0.05, and only there, it is all on one side of 0. NaN from a single pair, or
            where the differences are all the same and not known to be exact.
        p: of no difference, two-sided; NaN from a single pair.
        p_holm: corrected for the number of differences that were looked at.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float


def exact(d: "NDArray[np.float64]") -> Difference:
    """The difference of two scores in which nothing is random: what was measured is all there is to
    know.
    """
    difference, p = float(d[0]), 0.0 if d[0] else 1.0
    return Difference(difference, difference, difference, p, p)


def compare(
    differences: Sequence["NDArray[np.float64]"],
    share: float,
    level: float = 0.05,
    steady: Sequence[bool] | None = None,
) -> list[Difference]:
    """Tests several differences at once, so that with a chance of ``level`` at most any is taken
    for real that is not.

    Args:
        differences: d of each, finite; of several pairs each.
        share: see above; 0 where the splits are the same.
        level: of all tests together.
        steady: of each difference, whether both configurations gave the same score on all pairs;
            None: not known.
    """
    steady = steady or [False] * len(differences)
    p_values = [p_value(d, share, one) for d, one in zip(differences, steady, strict=True)]
    corrected = holm(p_values)
    tested = sorted(p for p in p_values if not math.isnan(p))
    rejected = sum(p <= level for p in corrected)
    found = []
    for d, p, p_holm in zip(differences, p_values, corrected, strict=True):
        step = (
            tested.index(p) if p_holm <= level else rejected
        )  # where Holm's procedure looked at it, or stopped
        half = math.nan if math.isnan(p) else _half_width(d, share, level / (len(tested) - step))
        mean = float(np.mean(d)) if len(d) else math.nan
        found.append(Difference(mean, mean - half, mean + half, p, p_holm))
    return found


def p_value(d: "NDArray[np.float64]", share: float, steady: bool = False) -> float:
    """Two-sided p of Nadeau and Bengio's corrected t; NaN for fewer than two pairs.

    Where all differences are the same, p is that of this module's head; ``steady`` as in `compare`.
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


def signed_rank(d: "NDArray[np.float64]") -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where nothing differs."""
    from scipy.stats import wilcoxon

    d = d[d != 0.0]
    return float(wilcoxon(d).pvalue) if len(d) else 1.0


def _half_width(d: "NDArray[np.float64]", share: float, level: float) -> float:
    from scipy.special import stdtrit

    return (
        math.nan
        if _is_constant(d)
        else float(stdtrit(len(d) - 1, 1 - level / 2)) * _error(d, share)
    )


def _error(d: "NDArray[np.float64]", share: float) -> float:
    return math.sqrt((1 / len(d) + share) * float(np.var(d, ddof=1)))


def _is_constant(d: "NDArray[np.float64]") -> bool:
    return bool(np.ptp(d) <= 1e-12 * np.max(np.abs(d), initial=0.0))
