"""What mattered in whole studies: of the rate, which truly makes 80 %, under searches and
schedules.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline.report.importance_text import bars
from paceline.space import Float

TRUTH = {"rate": 0.8, "units": 0.12, "dropout": 0.08, "decay": 0.0}
SPACE = {
    "rate": Float(1e-5, 1e-1, sampling="log"),
    "units": Float(16, 256, sampling="log"),
    "dropout": Float(0, 0.5),
    "decay": Float(1e-6, 1e-2, sampling="log"),
}
EPOCHS = 3


def valley(u: float, at: float) -> float:
    """Of mean 0 and variance 1 over [0, 1]."""
    mean, square = 1 / 3 - at + at * at, ((1 - at) ** 5 + at**5) / 5
    return ((u - at) ** 2 - mean) / math.sqrt(square - mean**2)


def training(hp: Any) -> None:
    """Small rates begin slower, so that learning curves cross."""
    rate, units = math.log10(hp["rate"]) / 4 + 1.25, math.log2(hp["units"]) / 4 - 1
    end = math.sqrt(0.8) * valley(rate, 0.6) - math.sqrt(0.12) * math.sqrt(12) * (units - 0.5)
    end += math.sqrt(0.08) * valley(2 * hp["dropout"], 0.3)
    noise = 0.1 * np.random.default_rng(abs(hash((hp["rate"], hp["decay"])))).standard_normal(
        EPOCHS + 1
    )
    for epoch in range(1, EPOCHS + 1):
        left = (1 / epoch - 1 / EPOCHS) / (1 - 1 / EPOCHS)
        if not hp.report(end + 2 * (1.8 - rate) * left + noise[0] + noise[epoch]):
            return


@pytest.mark.parametrize(
    ("search", "schedule", "trials", "told"),
    [
        ("sobol", "asha", 60, True),
        ("bayes", "asha", 24, False),
    ],
)
def test_shares_are_correct_or_not_shown(
    tmp_path: Path, search: str, schedule: str, trials: int, told: bool
) -> None:
    study = paceline.tune(
        training,
        space=SPACE,
        objective="min",
        epochs=EPOCHS,
        trials=trials,
        search=search,
        schedule=schedule,
        seed=3,
        final=False,
        display=False,
        study=tmp_path,
    )
    frame = study.importance().set_index("hyperparameter")
    if not told:
        assert frame["share"].isna().all()
        assert frame.attrs["reason"]
        return
    for name, share in TRUTH.items():
        assert frame["share"][name] == pytest.approx(share, abs=0.1)
    assert frame["share"].sum() <= 1


@pytest.mark.parametrize(("bad", "told"), [(math.nan, True), (-math.inf, True), (None, False)])
def test_failed_trials_count_as_worst_or_are_reported_as_left_out(
    tmp_path: Path, bad: float | None, told: bool
) -> None:
    def score(hp: Any) -> float:
        x, y = hp.Float("x", 0.0, 1.0), hp.Float("y", 0.0, 1.0)
        if y > 0.5 and bad is None:
            raise ValueError("y is too large")
        return float(bad) if y > 0.5 and bad is not None else -((x - 0.7) ** 2)

    study = paceline.tune(
        score,
        objective="max",
        trials=60,
        search="sobol",
        seed=1,
        study=tmp_path / "s",
        final=False,
        display=False,
    )
    found = study.importance().set_index("hyperparameter")["share"]
    lines = " ".join(bars(study.record))
    if told:
        assert not found["x"] > 0.5  # what matters is y; or nothing is shown
    else:
        assert "trials that failed are left out: this holds only where trials do not fail" in lines
