"""What each part of the search contributes: the same search without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import environments
from benchmarks.curves import TRIALS, reference
from benchmarks.kept import runs
from benchmarks.lcbench import table
from benchmarks.measure import Options, number
from benchmarks.report import Finding, Result

TABLES = ("hpolib/protein_structure", "hpobench/segment", "nasbench201/cifar10")
TASKS = 3
"""Learning-curve tasks: the first ones in the alphabet."""
LANES = 8
SEEDS = 10
"""Whatever the number of repeats: it is to be recorded once."""

METHOD = """The search with one part taken out, against the whole, on the same {seeds} seeds. Tables
({tables}): the true rank of the configuration chosen, 1 being the best of the table. Conditional
space: the regret. Learning curves ({tasks} LCBench tasks, {lanes} lanes, bayes with asha, {few}
seeds each): virtual seconds until a full training reached random search's median after {many}; one
that spends {most} full trainings without it counts as having reached it then. Ratios are geometric
means over all pairs of a task and a seed, with 95 % bootstrap intervals over the pairs: above 1 the
part helps. Without model: the default and Sobol points. One acquisition: expected improvement
alone, in rounds of {batch}. Without conditional kernel: what is inactive counts as if it were in
the middle of its range. Without warping: losses are centred and scaled only. Without refill: new
trials begin when all lanes are free."""


@dataclass(frozen=True)
class Part:
    """One part that is taken out.

    Attributes:
        name: in words.
        without: how `benchmarks.ours.ablation` knows it.
        where: the tasks on which it may matter.
        trials, batch: how many there are, and how many are asked for at once.
    """

    name: str
    without: str
    where: tuple[str, ...]
    trials: int = 50
    batch: int = 1


ROUND = 16
PARTS = (
    Part("the model", "model", TABLES),
    Part("the model, conditional space", "model", ("branches",)),
    Part("the conditional kernel", "conditions", ("branches",)),
    Part("warping", "warping", TABLES),
    Part(f"the mixture of acquisitions, rounds of {ROUND}", "mixture", TABLES, 4 * ROUND, ROUND),
)
MOST = 40
"""Full trainings after which a search over learning curves is given up."""


def run(options: Options) -> Result:
    """All parts; with two seeds and few trials in a quick run."""
    seeds = range(2 if options.quick else SEEDS)
    few = seeds[: max(1, len(seeds) // 2)]
    most = 2 if options.quick else MOST
    findings: list[Finding] = []
    rows: list[list[str]] = []
    for part in PARTS:
        trials = min(part.trials, 2 * max(part.batch, 4)) if options.quick else part.trials
        pairs = [
            _pair(part.without, where, seeds, trials, batch=part.batch) for where in part.where
        ]
        _add(part.name, part.where, pairs, findings, rows)
    tasks = {
        f"curves/{name}": task
        for name, task in list(table().items())[: 1 if options.quick else TASKS]
    }
    pairs = [
        _pair("refill", name, few, most, target=reference(task)[0], lanes=LANES)
        for name, task in tasks.items()
    ]
    _add(f"refill, {LANES} lanes", list(tasks), pairs, findings, rows)
    tables = ", ".join(name.split("/")[1] for name in TABLES)
    counts = {
        "seeds": len(seeds),
        "few": len(few),
        "tasks": len(tasks),
        "lanes": LANES,
        "many": TRIALS,
        "most": most,
    }
    return Result(
        title="Ablations: the search without one of its parts",
        method=METHOD.format(tables=tables, batch=ROUND, **counts),
        findings=findings,
        headings=[
            "without",
            "task",
            "whole search, median",
            "without, median",
            "ratio (95 % interval)",
            "pairs",
        ],
        rows=rows,
        environments=["paceline"],
    )


Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""What the whole search found and what it found without the part, [seeds] each."""


def _pair(without: str, where: str, seeds: range, trials: int, **more: Any) -> Pair:
    return _found("", where, seeds, trials, **more), _found(without, where, seeds, trials, **more)


@cache
def _found(
    without: str, where: str, seeds: range, trials: int, **more: Any
) -> npt.NDArray[np.float64]:
    """[seeds]; the whole search runs once for all parts."""
    request = {"without": without, "where": where, "trials": trials, **more}
    return np.array(runs(environments.OURS, "benchmarks.ours.ablation", request, seeds))


def _add(
    name: str,
    where: Sequence[str],
    pairs: Sequence[Pair],
    findings: list[Finding],
    rows: list[list[str]],
) -> None:
    for task, pair in zip(where, pairs, strict=True):
        rows.append(
            [name, task, *(number(float(np.median(side))) for side in pair), *_ratio([pair])]
        )
    if len(where) > 1:
        rows.append([name, "all", "", "", *_ratio(pairs)])
    logs = np.concatenate([np.log(without / whole) for whole, without in pairs])
    findings.append(Finding(f"worse without {name}", float(np.exp(logs.mean()))))


def _ratio(pairs: Sequence[Pair]) -> list[str]:
    logs = np.concatenate([np.log(without / whole) for whole, without in pairs])
    drawn = np.random.default_rng(0).choice(logs, size=(2000, len(logs))).mean(axis=1)
    low, high = np.exp(np.quantile(drawn, [0.025, 0.975]))
    return [
        f"{number(float(np.exp(logs.mean())))} ({number(float(low))}-{number(float(high))})",
        str(len(logs)),
    ]
