"""What `paceline.stats.final_verdict.judge` says of studies drawn from a table of real trainings.

See `benchmarks.coverage_real`.

A study has the default configuration and some others of the table. Its search trains all on one
pair of a seed and a split, as searches do; then the finalists train on pairs that the search did
not have. What is true of a configuration is its mean over all pairs of the table.

Request: ``table`` (a file of `benchmarks.ours.trainings`), ``schedule`` ("full", "asha"), ``means``
("measured", or "equal": each epoch of each configuration is moved to the mean of all), ``trials``,
``finalists``, ``pairs``, ``studies``, ``seed``.
Answer: shares and means over the studies; losses in the metric's unit; ``spread``, the median
deviation of one training of a configuration.
"""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import environments
from paceline.core import Action, Final, Objective, Splits, TrialState
from paceline.schedule import Standing, Standings
from paceline.schedule import create as schedule_of
from paceline.stats.final_verdict import judge
from paceline.stats.selection_bias import t_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """What was measured.

    Attributes:
        gains: the metric after each epoch, turned so that larger is better, [configurations, pairs,
            epochs].
        objective: the metric and its direction.
        share: rows of the validation part over rows of the training part.
    """

    gains: Floats
    objective: Objective
    share: float

    @property
    def steady(self) -> NDArray[np.bool_]:
        """Whether no training of a configuration is more than ten deviations, robustly told, off
        their median.
        """
        last = self.gains[:, :, -1]
        off = np.abs(last - np.median(last, axis=1, keepdims=True))
        return np.asarray(off.max(axis=1) <= 10 * np.median(off, axis=1) / 0.6745)

    @classmethod
    def read(cls, file: str, means: str) -> "Table":
        """A table, or one in which all configurations have the same mean."""
        with np.load(environments.ROOT / file, allow_pickle=False) as found:
            about = json.loads(str(found["about"]))
            scores, share = found["scores"].astype(float), float(found["validation_share"])
        objective = Objective(about["metric"], about["direction"])
        gains = -objective.loss(1.0) * scores
        if means == "equal":
            gains = gains - gains.mean(axis=1, keepdims=True) + gains.mean(axis=(0, 1))
        return cls(gains, objective, share)


def completed(curves: Floats, schedule: str) -> list[int]:
    """Which trials of a search train in full, one after the other; shape of the curves [trials,
    epochs].
    """
    rule, standings, epochs = schedule_of(schedule), Standings(), curves.shape[1]

    def carry_out(number: int, action: Action) -> None:
        """Lets a trial go on to its next rung, or puts it where the decision says."""
        if action is not Action.CONTINUE:
            state = TrialState.PAUSED if action is Action.PAUSE else TrialState.STOPPED
            standings.put(replace(standings[number], state=state))
            return
        until = next(r for r in rule.rungs(number, epochs) if r > standings[number].epoch)
        losses = tuple((-curves[number, :until]).tolist())
        state = TrialState.COMPLETED if until == epochs else TrialState.RUNNING
        standings.put(Standing(number, epochs, losses, state))
        if until < epochs:
            carry_out(number, rule.decide(standings, number).action)

    for number in range(len(curves)):
        standings.put(Standing(number, epochs))
        carry_out(number, Action.CONTINUE)
        while decisions := rule.review(standings, number + 1 < len(curves)):
            for decision in decisions:
                carry_out(decision.trial, decision.action)
    found = standings.trials.items()
    return [number for number, one in found if one.state is TrialState.COMPLETED]


def study(rng: np.random.Generator, table: Table, request: Mapping[str, Any]) -> tuple[Any, ...]:
    """A final, the scores of the search by trial, and of its trials the true gains and whether they
    are steady.

    Trial 0 has the default configuration.
    """
    num_configs, num_pairs, _ = table.gains.shape
    others = 1 + rng.choice(num_configs - 1, request["trials"] - 1, replace=False)
    pair, *fresh = rng.choice(num_pairs, 1 + request["pairs"], replace=False).tolist()
    drawn = [0, *others.tolist()]
    gains = table.gains[drawn]
    searched = gains[:, pair]
    in_full = completed(searched, request["schedule"])
    best = sorted(in_full, key=lambda number: -searched[number, -1])
    finalists = (*[number for number in best if number != 0][: request["finalists"] - 1], 0)
    sign = -table.objective.loss(1.0)
    scores = {
        (number, place): float(sign * gains[number, at, -1])
        for number in finalists
        for place, at in enumerate(fresh)
    }
    final = Final(finalists, 0, len(fresh), Splits.ROWS, table.share, scores)
    true = gains[:, :, -1].mean(axis=1)
    return final, {n: float(searched[n, -1]) for n in in_full}, true, table.steady[drawn]


def counted(
    table: Table,
    final: Final,
    searched: Mapping[int, float],
    true: Floats,
    steady: NDArray[np.bool_],
) -> dict[str, float]:
    """What is counted of one study; gains are larger where better."""
    sign = -table.objective.loss(1.0)
    scores = {number: sign * gain for number, gain in searched.items()}
    verdict = judge(final, table.objective, scores)
    truth = float(true[verdict.winner])
    low, high = sorted((sign * verdict.low, sign * verdict.high))
    mean, _, half = t_interval(sign * np.array(final.scores_of(verdict.winner)))
    luckiest = max(searched, key=lambda number: searched[number])
    best = max(final.finalists, key=lambda number: float(true[number]))
    said, better = verdict.beats_default is True, truth > true[0] + 1e-9
    covered = low <= truth <= high
    return {
        "covered": covered,
        "steady": steady[verdict.winner],
        "covered_steady": covered if steady[verdict.winner] else math.nan,
        "plain_covered": abs(mean - truth) <= half,
        "width": (high - low) / (2 * half) if half else math.nan,
        "said": said,
        "is_better": better,
        "said_where_better": said if better else math.nan,
        "said_wrongly": said and not better,
        "best_is_tied": best in verdict.tied or true[best] <= truth + 1e-9,
        "finalists": len(final.finalists),
        "bias": sign * verdict.expected - truth,
        "error": verdict.standard_error,
        "plain_bias": mean - truth,
        "luckiest_bias": searched[luckiest] - true[luckiest],
    }


def simulate(request: Mapping[str, Any]) -> dict[str, float]:
    """Judges many studies and counts."""
    table, rng = (
        Table.read(request["table"], request["means"]),
        np.random.default_rng(request["seed"]),
    )
    found: dict[str, list[float]] = {}
    for _ in range(request["studies"]):
        for name, value in counted(table, *study(rng, table, request)).items():
            found.setdefault(name, []).append(float(value))
    told = {name: _mean(values) for name, values in found.items()}
    told["bias_error"] = float(np.std(found["bias"], ddof=1)) / math.sqrt(len(found["bias"]))
    told["spread"] = float(np.median(table.gains[:, :, -1].std(axis=1, ddof=1)))
    return told


def _mean(values: list[float]) -> float:
    """Of those that are numbers; NaN where none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else math.nan


if __name__ == "__main__":
    print("\n" + json.dumps(simulate(json.loads(sys.argv[1]))))
