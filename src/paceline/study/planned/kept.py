"""The score of a trial that ends, by the weights that would be kept."""

import math
from collections.abc import Sequence

from paceline.core import Measurement
from paceline.study.planned.protocol import Plan


def kept_score(plan: Plan, measured: Sequence[Measurement]) -> tuple[float | None, int | None]:
    """Score and epoch of the weights that would be kept; None and None if no score is finite."""
    score, epoch = plan.kept(measured) if measured else (math.nan, 0)
    return (score, epoch) if math.isfinite(score) else (None, None)
