"""Intervals of metrics between 0 and 1 are clipped; others are not."""

import math

import numpy as np
import pytest

from paceline.core import Final, Objective, Splits
from paceline.stats.bounds import clip_interval
from paceline.stats.final_verdict import judge


@pytest.mark.parametrize(
    ("metric", "scores", "expected"),
    [
        ("val_accuracy", [0.2, 0.9], (0.0, 1.0)),
        ("test accuracy", [0.2, 0.9], (0.0, 1.0)),
        ("val_out_auc", [0.2, 0.9], (0.0, 1.0)),
        *(
            (name, [0.2, 0.9], (0.0, 1.0))
            for name in ("val_f1_score", "val_auc_1", "val_one_hot_mean_io_u", "f1")
        ),
        ("val_loss", [0.2, 0.9], (-0.1, 1.1)),
        ("val_r2_score", [0.2, 0.9], (-0.1, 1.1)),
        ("val_accuracy", [20.0, 90.0], (-0.1, 1.1)),  # percents
        ("val_accuracy_loss", [0.2, 0.9], (-0.1, 1.1)),
    ],
)
def test_only_metrics_between_0_and_1_are_clipped(
    metric: str, scores: list[float], expected: tuple[float, float]
) -> None:
    assert clip_interval(-0.1, 1.1, metric, scores) == expected


def test_unknown_bounds_stay_unknown() -> None:
    assert all(math.isnan(end) for end in clip_interval(math.nan, math.nan, "val_accuracy", [0.5]))


@pytest.mark.parametrize(("metric", "most"), [("val_accuracy", 1.0), ("val_loss", math.inf)])
def test_a_winners_accuracy_is_at_most_one(metric: str, most: float) -> None:
    rng = np.random.default_rng(0)
    values = np.clip(0.97 + 0.05 * rng.standard_normal((2, 4)), 0, 1)
    scores = {
        (number, pair): float(values[number, pair]) for number in range(2) for pair in range(4)
    }
    verdict = judge(Final((0, 1), 0, 4, Splits.ROWS, 0.0, scores), Objective.of(metric), {})
    assert verdict.high <= most
    assert (verdict.high > 1.0) == (metric == "val_loss")
    assert verdict.low <= verdict.expected
