"""What `paceline.stats.final_verdict.judge` says of simulated studies, of which the truth is known.

Request: ``means`` ("equal", "close", "spread"), ``noise`` ("normal", "heavy", "unequal"),
``finalists``, ``pairs``, ``studies``, ``share`` (of the variance: what all trainings on one pair
have in common), ``overlap`` (of the splits), ``seed``, ``strict``.
Answer: percentages and means over the studies; losses of accuracy are in units of the standard
    deviation of a training.
"""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paceline.core import Final, Objective, Splits
from paceline.stats.final_verdict import judge
from paceline.stats.selection_bias import t_interval

TRIALS = 64
DEVIATION = 0.002  # of the accuracy of one training, as of small networks on MNIST
SPREAD = {
    "equal": 0.0,
    "close": 0.5,
    "spread": 10.0,
}  # of the true means, in units of that deviation
DEGREES = 3  # of freedom, of the heavy tails

Floats = NDArray[np.float64]


def drawn(rng: np.random.Generator, noise: str, shape: tuple[int, ...]) -> Floats:
    """Noise of unit variance."""
    if noise == "heavy":
        return rng.standard_t(DEGREES, shape) / math.sqrt(DEGREES / (DEGREES - 2))
    return rng.standard_normal(shape)


def study(rng: np.random.Generator, request: Mapping[str, Any]) -> tuple[Final, Floats, Floats]:
    """A search of one training each, the default configuration its trial 0, and a final; with true
    means and scores.
    """
    noise, share, pairs = request["noise"], request["share"], request["pairs"]
    true = 0.97 + DEVIATION * SPREAD[request["means"]] * rng.standard_normal(TRIALS)
    own = np.ones(TRIALS) if noise != "unequal" else rng.uniform(0.5, 1.5, TRIALS)
    own = DEVIATION * math.sqrt(1 - share) * own
    common = DEVIATION * math.sqrt(share)
    searched = true + common * drawn(rng, noise, (TRIALS,)) + own * drawn(rng, noise, (TRIALS,))
    best = [int(number) for number in np.argsort(-searched) if number != 0][
        : request["finalists"] - 1
    ]
    finalists = (*best, 0)
    of_pair = common * drawn(rng, noise, (pairs,))
    scores = {}
    for number in finalists:
        gained = true[number] + of_pair + own[number] * drawn(rng, noise, (pairs,))
        scores.update({(number, pair): float(score) for pair, score in enumerate(gained)})
    splits = Splits.ROWS if request["overlap"] > 0 else Splits.SAME
    return Final(finalists, 0, pairs, splits, request["overlap"], scores), true, searched


def simulate(request: Mapping[str, Any]) -> dict[str, float]:
    """Judges many studies and counts."""
    rng, objective = np.random.default_rng(request["seed"]), Objective("val_accuracy", "maximize")
    found: dict[str, list[float]] = {}
    for _ in range(request["studies"]):
        final, true, searched = study(rng, request)
        verdict = judge(final, objective, dict(enumerate(searched)), strict=request["strict"])
        truth = float(true[verdict.winner])
        mean, _, half = t_interval(np.array(final.scores_of(verdict.winner)))
        luckiest = int(np.argmax(searched))
        best = max(final.finalists, key=lambda number: float(true[number]))
        better = verdict.beats_default is True
        one = {
            "covered": verdict.low <= truth <= verdict.high,
            "plain_covered": abs(mean - truth) <= half,
            "width": (verdict.high - verdict.low) / (2 * half),
            "claimed": better,
            "wrongly_claimed": better and truth <= true[0],
            "best_is_tied": best in verdict.tied or true[best] == truth,
            "some_left_out": len(verdict.tied) < len(final.finalists),
            "bias": (verdict.expected - truth) / DEVIATION,
            "error": verdict.standard_error / DEVIATION,
            "plain_bias": (mean - truth) / DEVIATION,
            "luckiest_bias": (searched[luckiest] - true[luckiest]) / DEVIATION,
        }
        for name, value in one.items():
            found.setdefault(name, []).append(float(value))
    told = {name: float(np.mean(values)) for name, values in found.items()}
    count = len(found["bias"])
    return {
        **told,
        "bias_error": float(np.std(found["bias"], ddof=1)) / math.sqrt(count)
        if count > 1
        else math.nan,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(simulate(json.loads(sys.argv[1]))))
