"""What a comparison shows: who is ahead at which budget, by how much, and whether that is more than
luck.

| symbol | meaning |
| --- | --- |
| budget | trials, epochs or seconds spent; the largest is what the longest run spent |
| outcome | what a run came to: its model's test metric, or where there is no test part its best validation score |
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from paceline.core import Objective
from paceline.report import words
from paceline.stats import ranks
from paceline.stats.bounds import estimate_of_scores
from paceline.stats.ranks import Estimate, Pair

if TYPE_CHECKING:
    from paceline.comparison.runs import Run

Axis = Literal["trials", "epochs", "seconds"]
_PARTS = (0.25, 0.5, 1.0)
_STATISTICS: tuple[Literal["mean"], Literal["iqm"]] = ("mean", "iqm")


@dataclass(frozen=True, slots=True)
class Stand:
    """A method at one budget.

    Attributes:
        method: its name.
        axis, budget: how much of what was spent.
        score: mean over seeds of the best validation score by then, with its interval.
        iqm: the interquartile mean, likewise.
        rank: average rank among the methods, 1 for the best, with its interval.
    """

    method: str
    axis: Axis
    budget: float
    score: Estimate
    iqm: Estimate
    rank: Estimate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method came to, over its seeds.

    Attributes:
        method: its name.
        score: mean outcome with its interval.
        rank: average rank of its outcomes, with its interval.
        num_runs: how many have an outcome.
    """

    method: str
    score: Estimate
    rank: Estimate
    num_runs: int


def budgets(runs: Sequence["Run"], axis: Axis) -> list[float]:
    """A quarter, half and all of what the longest run spent; those that ended before stay where
    they ended.
    """
    totals = [getattr(run.points[-1], axis) for run in runs if run.points]
    if not totals:
        return []
    whole = max(totals)
    found = [
        part * whole if axis == "seconds" else float(math.ceil(part * whole)) for part in _PARTS
    ]
    return sorted(set(found))


def stands(
    methods: Sequence[str], runs: Sequence["Run"], objective: Objective, axis: Axis
) -> list[Stand]:
    """Every method at each of the budgets."""
    found = []
    for budget in budgets(runs, axis):
        scores = _by_seed(methods, runs, {id(run): run.best_at(axis, budget) for run in runs})
        ranked = ranks.average_ranks([[objective.loss(score) for score in row] for row in scores])
        for k, method in enumerate(methods):
            column = [row[k] for row in scores]
            mean, middle = (estimate_of_scores(column, objective.metric, of) for of in _STATISTICS)
            found.append(Stand(method, axis, budget, mean, middle, ranked[k]))
    return found


def outcomes(
    methods: Sequence[str], runs: Sequence["Run"], objective: Objective
) -> tuple[str, list[list[float]]]:
    """The metric of the outcomes, and the outcomes: of a seed in each row, of a method in each
    column.

    The test metric where every run that has a score has it too: the validation score chose the
    trial, so it flatters those who tried more.
    """
    metric = objective.metric.removeprefix("val_")
    scored = [run for run in runs if run.score is not None]
    if scored and metric != objective.metric and all(metric in run.tests for run in scored):
        return f"test {metric}", _by_seed(
            methods, runs, {id(run): run.tests.get(metric) for run in runs}
        )
    return objective.metric, _by_seed(methods, runs, {id(run): run.score for run in runs})


def standing(
    methods: Sequence[str], table: Sequence[Sequence[float]], objective: Objective
) -> list[Outcome]:
    """The methods by what they came to, the best average first."""
    ranked = ranks.average_ranks([[objective.loss(score) for score in row] for row in table])
    found = []
    for k, method in enumerate(methods):
        column = [row[k] for row in table]
        score = estimate_of_scores(column, objective.metric)
        found.append(Outcome(method, score, ranked[k], sum(map(math.isfinite, column))))
    return sorted(
        found, key=lambda one: objective.loss(one.score.value) if one.num_runs else math.inf
    )


def pairs(table: Sequence[Sequence[float]], objective: Objective) -> tuple[Pair, ...]:
    """Every two methods on the same seeds; a difference above 0 says that the first is better."""
    return ranks.pairwise([[objective.loss(score) for score in row] for row in table])


def verdict(methods: Sequence[str], runs: Sequence["Run"], objective: Objective) -> Iterator[str]:
    """Which is ahead, as sentences."""
    metric, table = outcomes(methods, runs, objective)
    ordered = [one for one in standing(methods, table, objective) if one.num_runs]
    if not ordered:
        yield "No run has a completed trial yet, so nothing can be said."
        return
    first, seeds = ordered[0], len(table)
    scores = [row[methods.index(first.method)] for row in table]
    yield f"{first.method} has the best {metric}: {mean_told(first.score, scores)}."
    if seeds < 2 or len(ordered) < 2:
        yield (
            "How sure that is cannot be said of one seed."
            if seeds < 2
            else "There is nothing to compare it with."
        )
        return
    place, found = methods.index(first.method), pairs(table, objective)
    of = {
        p.second if p.first == place else p.first: p for p in found if place in (p.first, p.second)
    }
    behind = [one.method for one in ordered[1:] if of[methods.index(one.method)].is_real]
    tied = [one.method for one in ordered[1:] if one.method not in behind]
    test = next(iter(of.values())).test
    how = "paired t-tests" if test == "t" else "Wilcoxon's tests"
    if behind:
        yield f"It is ahead of {listed(behind)} by more than luck ({how} over the same seeds, Holm, 5 % level)."
    if tied:
        yield f"Nothing shows that it is better than {listed(tied)} ({how} over the same seeds, Holm, 5 % level)."
    if test == "t":
        yield f"Wilcoxon's test can show nothing with {words.count(seeds, 'seed')} and {len(found)} comparisons."
    if metric == objective.metric:
        yield "These are validation scores, which chose the trial: they flatter methods that try more."


def remarks(methods: Sequence[str], runs: Sequence["Run"]) -> Iterator[str]:
    """What has to be known to read the figures."""
    cut: dict[tuple[int, int], list[str]] = {}
    for run in runs:
        if run.grid is not None and run.trials < run.grid:
            cut.setdefault((run.trials, run.grid), []).append(run.method)
    for (tried, size), names in cut.items():
        whose = listed([method for method in methods if method in names])
        yield f"{whose} tried {tried:,} of the {size:,} points of the grid, the default first and then in order."
    waiting = [f"{run.method} (seed {run.seed})" for run in runs if run.state != "finished"]
    begun = {(run.method, run.seed) for run in runs}
    seeds = sorted({run.seed for run in runs})
    waiting += [
        f"{method} (seed {seed})"
        for method in methods
        for seed in seeds
        if (method, seed) not in begun
    ]
    if waiting:
        yield f"Not finished: {listed(waiting)}. The same command goes on with them."


def mean_told(estimate: Estimate, scores: Sequence[float]) -> str:
    """``0.971 (95 % interval 0.969 to 0.973) on average over 5 seeds``; NaN scores, of failures, do
    not count.
    """
    measured = [score for score in scores if math.isfinite(score)]
    if len(measured) < 2:
        return f"{words.number(estimate.value)}, with one seed"
    if len(set(measured)) == 1:
        return same_told(measured)
    return f"{interval(estimate)} on average over {words.count(len(measured), 'seed')}"


def same_told(scores: Sequence[float]) -> str:
    """What is said of scores that are the same with every seed: they have no spread to make an
    interval of.
    """
    told = words.number(scores[0])
    return f"{told} with each of {len(scores)} seeds, which does not tell how far another one might be off"


def interval(estimate: Estimate) -> str:
    """``0.971 (95 % interval 0.969 to 0.973)``."""
    told = words.number(estimate.value)
    return told if math.isnan(estimate.low) else f"{told} (95 % interval {bounds(estimate)})"


def bounds(estimate: Estimate) -> str:
    """``0.969 to 0.973``; empty where it is not known."""
    return (
        ""
        if math.isnan(estimate.low)
        else f"{words.number(estimate.low)} to {words.number(estimate.high)}"
    )


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _by_seed(
    methods: Sequence[str], runs: Sequence["Run"], values: dict[int, float | None]
) -> list[list[float]]:
    """A row for each seed, a column for each method; NaN where there is nothing."""
    at = {(run.seed, run.method): values[id(run)] for run in runs}
    seeds = sorted({run.seed for run in runs})
    rows = [[at.get((seed, method)) for method in methods] for seed in seeds]
    return [[math.nan if value is None else value for value in row] for row in rows]
