"""How soon a search that stops early finds what random search finds in 200 full trainings: 17
learning-curve tasks.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.kept import runs
from benchmarks.lcbench import EPOCHS, Task, random_search, table
from benchmarks.measure import Options, far_seed, number
from benchmarks.report import Finding, Result

TRIALS = 200
MOST = TRIALS * EPOCHS
"""Epochs after which a search is given up: those of 200 full trainings."""

METHOD = """{tasks} LCBench tasks of 1,000 configurations and 52 epochs (YAHPO surrogate), one lane,
{seeds} seeds. The target of a task is the median, over 301 seeds, of the best final validation
accuracy among random search's 200 full trainings; three or four configurations are as good. A
search has reached it when one of them has been trained in full. Figures are shares of what random
search needs (the median over its seeds, in epochs, and in seconds of the table), for a task the
median over seeds; one that spends 200 full trainings without reaching the target counts as
infinite. Proposals of all sides become the nearest configuration of the table that was not tried,
in the unit cube of the same seven ranges, and all learn from that one. Intervals: 95 %, bootstrap
over tasks. Optuna: TPESampler() with HyperbandPruner(1, 52, 3), told every epoch; {few} seeds."""


@dataclass(frozen=True)
class Side:
    """One way to search."""

    environment: str
    module: str
    request: Mapping[str, Any]


def ours(strategy: str, schedule: str) -> Side:
    return Side(
        "paceline",
        "benchmarks.ours.curves",
        {"strategy": strategy, "schedule": schedule, "lanes": 1},
    )


SIDES = {
    "paceline, bayes, asha": ours("bayes", "asha"),
    "paceline, random, asha": ours("random", "asha"),
    "paceline, random, hyperband": ours("random", "hyperband"),
    "Optuna, TPE, Hyperband": Side("optuna", "benchmarks.peers.optuna_curves", {}),
}
OURS, _, _, OPTUNA = SIDES


def run(options: Options) -> Result:
    """Ten seeds for each repeat, five of Optuna for each slow one; two tasks and one seed in a
    quick run.

    Nothing is timed, so two tasks are under way at once.
    """
    tasks = dict(list(table().items())[:2]) if options.quick else table()
    seeds, few = (1, 1) if options.quick else (10 * options.repeats, 5 * options.slow_repeats)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_of_task, name, task, seeds, few) for name, task in tasks.items()]
        of_tasks = [one.result() for one in waiting]
    shares = {name: [found[name][0] for _, found in of_tasks] for name in SIDES}
    rows = [
        [task_name, f"{target:.2f}", *(told for _, told in found.values())]
        for task_name, (target, found) in zip(tasks, of_tasks, strict=True)
    ]
    rows.append(["median", "", *(summary(shares[name]) for name in SIDES)])
    ours_epochs, _ = (statistics.median(part) for part in zip(*shares[OURS], strict=True))
    faster = [
        ratio(theirs[1], mine[1]) for mine, theirs in zip(shares[OURS], shares[OPTUNA], strict=True)
    ]
    return Result(
        title="Learning curves: time to random search's result after 200 trials",
        method=METHOD.format(tasks=len(tasks), seeds=seeds, few=few),
        findings=[
            Finding(
                "epochs, as a share of random's, median over tasks",
                100 * ours_epochs,
                15,
                5,
                "%",
                "lower",
            ),
            Finding(
                "faster than Optuna TPE + Hyperband in virtual seconds",
                statistics.median(faster),
                1.5,
                3.0,
            ),
        ],
        headings=["task", "target", *(f"{name}: epochs, seconds" for name in SIDES)],
        rows=rows,
        environments=["paceline", "optuna"],
    )


def _of_task(
    name: str, task: Task, seeds: int, few: int
) -> tuple[float, dict[str, tuple[tuple[float, float], str]]]:
    """The target, and for each side its shares of random's epochs and seconds, as numbers and in
    words.
    """
    target, epochs, seconds = reference(task)
    found = {}
    for title, side in SIDES.items():
        drawn = [far_seed(i) for i in range(few if title == OPTUNA else seeds)]
        request = {**side.request, "task": name, "target": target, "most": MOST}
        answers = runs(side.environment, side.module, request, drawn)
        share = (median(answers, "epochs") / epochs, median(answers, "seconds") / seconds)
        missed = answers.count(None)
        told = f"{percent(share[0])}, {percent(share[1])}" + (
            f" ({missed} missed)" if missed else ""
        )
        found[title] = (share, told)
    return target, found


def reference(task: Task) -> tuple[float, float, float]:
    """The target, and the epochs and seconds that random search needs to reach it, medians over 301
    seeds.
    """
    orders = [random_search(task, seed) for seed in range(301)]
    target = float(np.median([task.final[order[:TRIALS]].max() for order in orders]))
    needed = [int(np.argmax(task.final[order] >= target)) + 1 for order in orders]
    seconds = [
        float(task.seconds[order[:n], -1].sum()) for order, n in zip(orders, needed, strict=True)
    ]
    return target, EPOCHS * float(np.median(needed)), float(np.median(seconds))


def median(found: Sequence[Mapping[str, float] | None], what: str) -> float:
    """The median of what was needed, those that did not reach the target being the last."""
    return statistics.median(math.inf if one is None else one[what] for one in found)


def ratio(theirs: float, ours: float) -> float:
    """How many times as long they took; 1 where neither side came to the target."""
    return 1.0 if math.isinf(theirs) and math.isinf(ours) else theirs / ours


def summary(shares: Sequence[tuple[float, float]]) -> str:
    """Medians over tasks with their intervals."""
    return ", ".join(interval([share[part] for share in shares]) for part in (0, 1))


def interval(values: Sequence[float]) -> str:
    """Median and 95 % percentile bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(values, size=(2000, len(values))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return f"{percent(statistics.median(values))} ({percent(low)}-{percent(high)})"


def percent(share: float) -> str:
    return "-" if math.isinf(share) else f"{number(100 * share)} %"
