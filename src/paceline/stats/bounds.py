"""Intervals of metrics that lie between 0 and 1 by definition."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from paceline.stats.ranks import Estimate, estimate

_SHARES = re.compile(
    r"(^|[^a-z0-9])(accuracy|acc|auc|precision|recall|sensitivity|specificity|iou|io_u|jaccard|(f1|fbeta|f_beta|jaccard)"
    r"_score|f1|f1score)(_[0-9]+)?$"  # Keras numbers the names that it gives: auc_1
)


def clip_interval(
    low: float, high: float, metric: str, scores: Iterable[float]
) -> tuple[float, float]:
    """Clips an interval to the range of the metric, which does not reduce its coverage; NaN stays.

    Args:
        low, high: the interval.
        metric: its name shows whether it lies between 0 and 1, such as ``"val_accuracy"``.
        scores: measured, NaN for failures; if one of them is outside, the metric is not clipped.
    """
    if not _SHARES.search(metric.lower()) or any(score < 0.0 or score > 1.0 for score in scores):
        return low, high
    return (low if low != low else max(0.0, low)), (high if high != high else min(1.0, high))


def estimate_scores(
    scores: Sequence[float], metric: str, statistic: Literal["mean", "iqm"] = "mean"
) -> Estimate:
    """The result of `paceline.stats.ranks.estimate`, with a clipped interval."""
    found = estimate(scores, statistic)
    return Estimate(found.value, *clip_interval(found.low, found.high, metric, scores))
