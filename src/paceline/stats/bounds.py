"""Intervals of metrics that lie between 0 and 1 by their definition."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from paceline.stats.ranks import Estimate, estimate

_SHARES = re.compile(
    r"(^|[^a-z0-9])(accuracy|acc|auc|precision|recall|sensitivity|specificity|iou|io_u|jaccard|(f1|fbeta|f_beta|jaccard)"
    r"_score|f1|f1score)(_[0-9]+)?$"  # Keras numbers the names that it gives: auc_1
)


def clipped(low: float, high: float, metric: str, scores: Iterable[float]) -> tuple[float, float]:
    """An interval without what the metric cannot be, which takes nothing of its coverage; NaN
    stays.

    Args:
        low, high: the interval.
        metric: its name says whether it is a share, such as ``"val_accuracy"``.
        scores: that were measured, NaN where that failed; where one of them is no share, the metric
            is none either.
    """
    if not _SHARES.search(metric.lower()) or any(score < 0.0 or score > 1.0 for score in scores):
        return low, high
    return (low if low != low else max(0.0, low)), (high if high != high else min(1.0, high))


def estimate_of_scores(
    scores: Sequence[float], metric: str, statistic: Literal["mean", "iqm"] = "mean"
) -> Estimate:
    """What `paceline.stats.ranks.estimate` says of scores, with an interval that is clipped."""
    found = estimate(scores, statistic)
    return Estimate(found.value, *clipped(found.low, found.high, metric, scores))
