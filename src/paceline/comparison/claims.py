"""Statistical statements about a comparison: which method is better, by how much, and how surely.

| symbol | meaning |
| --- | --- |
| budget | trials, epochs or seconds; the largest is what the longest run used |
| outcome | a run's final score: its model's test metric or, without test set, validation score |
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from paceline.comparison.runs import MethodRun
from paceline.core import Objective
from paceline.report import words
from paceline.stats import ranks
from paceline.stats.bounds import estimate_scores
from paceline.stats.ranks import Estimate, Pair

BudgetAxis = Literal["trials", "epochs", "seconds"]
_PARTS = (0.25, 0.5, 1.0)
_STATISTICS: tuple[Literal["mean"], Literal["iqm"]] = ("mean", "iqm")


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """A method at one budget.

    Attributes:
        method: its name.
        axis, budget: the unit of the budget, and the amount.
        score: mean over seeds of the best validation score so far, with its interval.
        iqm: the interquartile mean of the same.
        rank: average rank among the methods, 1 for the best, with its interval.
    """

    method: str
    axis: BudgetAxis
    budget: float
    score: Estimate
    iqm: Estimate
    rank: Estimate


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final result of a method over its seeds.

    Attributes:
        method: its name.
        score: mean outcome with its interval.
        rank: average rank of its outcomes, with its interval.
        num_runs: number of runs with an outcome.
    """

    method: str
    score: Estimate
    rank: Estimate
    num_runs: int


def budgets(runs: Sequence[MethodRun], axis: BudgetAxis) -> list[float]:
    """A quarter, half and all of the longest run's budget; shorter runs keep their last score."""
    totals = [getattr(run.points[-1], axis) for run in runs if run.points]
    if not totals:
        return []
    whole = max(totals)
    found = [
        part * whole if axis == "seconds" else float(math.ceil(part * whole)) for part in _PARTS
    ]
    return sorted(set(found))


def budget_results(
    methods: Sequence[str], runs: Sequence[MethodRun], objective: Objective, axis: BudgetAxis
) -> list[BudgetResult]:
    """Every method at each budget."""
    found = []
    for budget in budgets(runs, axis):
        scores = _by_seed(methods, runs, {id(run): run.best_at(axis, budget) for run in runs})
        ranked = ranks.average_ranks([[objective.loss(score) for score in row] for row in scores])
        for k, method in enumerate(methods):
            column = [row[k] for row in scores]
            mean, middle = (estimate_scores(column, objective.metric, of) for of in _STATISTICS)
            found.append(BudgetResult(method, axis, budget, mean, middle, ranked[k]))
    return found


def outcomes(
    methods: Sequence[str], runs: Sequence[MethodRun], objective: Objective
) -> tuple[str, list[list[float]]]:
    """The metric of the outcomes, and the outcomes, one row per seed and one column per method.

    The test metric is used if every run with a score has it: the validation score selected the
    trial, so it is biased in favour of methods that try more.
    """
    metric = objective.metric.removeprefix("val_")
    scored = [run for run in runs if run.score is not None]
    if scored and metric != objective.metric and all(metric in run.tests for run in scored):
        return f"test {metric}", _by_seed(
            methods, runs, {id(run): run.tests.get(metric) for run in runs}
        )
    return objective.metric, _by_seed(methods, runs, {id(run): run.score for run in runs})


def final_results(
    methods: Sequence[str], table: Sequence[Sequence[float]], objective: Objective
) -> list[Outcome]:
    """The methods' final results, the best mean first."""
    ranked = ranks.average_ranks([[objective.loss(score) for score in row] for row in table])
    found = []
    for k, method in enumerate(methods):
        column = [row[k] for row in table]
        score = estimate_scores(column, objective.metric)
        found.append(Outcome(method, score, ranked[k], sum(map(math.isfinite, column))))
    return sorted(
        found, key=lambda one: objective.loss(one.score.value) if one.num_runs else math.inf
    )


def pairs(table: Sequence[Sequence[float]], objective: Objective) -> tuple[Pair, ...]:
    """All pairs of methods on the same seeds; differences above 0 favour the first."""
    return ranks.pairwise([[objective.loss(score) for score in row] for row in table])


def verdict(
    methods: Sequence[str], runs: Sequence[MethodRun], objective: Objective
) -> Iterator[str]:
    """Which method is best, as sentences."""
    metric, table = outcomes(methods, runs, objective)
    ordered = [one for one in final_results(methods, table, objective) if one.num_runs]
    if not ordered:
        yield "No run has a completed trial yet, so nothing can be said."
        return
    first, seeds = ordered[0], len(table)
    scores = [row[methods.index(first.method)] for row in table]
    yield f"{first.method} has the best {metric}: {mean_text(first.score, scores)}."
    if seeds < 2 or len(ordered) < 2:
        yield (
            "One seed does not show how reliable that is."
            if seeds < 2
            else "There is nothing to compare it with."
        )
        return
    yield from _tested(methods, [one.method for one in ordered], pairs(table, objective), seeds)
    if metric == objective.metric:
        yield (
            "These are validation scores, which selected the trial: they are biased in favour of "
            "methods that try more."
        )


def _tested(
    methods: Sequence[str], ordered: Sequence[str], found: Sequence[Pair], seeds: int
) -> Iterator[str]:
    """The tests of the best method against the others, as sentences.

    Args:
        methods: their names, in the order of the pairs' indices.
        ordered: those with results, the best first.
        found: all pairs.
        seeds: number of seeds.
    """
    best = methods.index(ordered[0])
    of = {p.second if p.first == best else p.first: p for p in found if best in (p.first, p.second)}
    behind = [name for name in ordered[1:] if of[methods.index(name)].is_real]
    tied = [name for name in ordered[1:] if name not in behind]
    test = next(iter(of.values())).test
    how = "paired t-tests" if test == "t" else "Wilcoxon's tests"
    if behind:
        yield (
            f"It is significantly better than {listed(behind)} ({how} over the same seeds, Holm, "
            "5 % level)."
        )
    if tied:
        yield (
            f"No significant difference to {listed(tied)} ({how} over the same seeds, Holm, "
            "5 % level)."
        )
    if test == "t":
        yield (
            "Wilcoxon's test cannot be significant with "
            f"{words.count(seeds, 'seed')} and {len(found)} comparisons."
        )


def remarks(methods: Sequence[str], runs: Sequence[MethodRun]) -> Iterator[str]:
    """Notes for reading the figures."""
    cut: dict[tuple[int, int], list[str]] = {}
    for run in runs:
        if run.grid is not None and run.trials < run.grid:
            cut.setdefault((run.trials, run.grid), []).append(run.method)
    for (tried, size), names in cut.items():
        whose = listed([method for method in methods if method in names])
        yield (
            f"{whose} tried {tried:,} of the {size:,} points of the grid, the default first and "
            "then in order."
        )
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
        yield f"Not finished: {listed(waiting)}. The same command resumes them."


def mean_text(estimate: Estimate, scores: Sequence[float]) -> str:
    """``0.971 (95 % interval 0.969 to 0.973) on average over 5 seeds``; NaN scores are ignored."""
    measured = [score for score in scores if math.isfinite(score)]
    if len(measured) < 2:
        return f"{words.number(estimate.value)}, with one seed"
    if len(set(measured)) == 1:
        return same_text(measured)
    return f"{interval(estimate)} on average over {words.count(len(measured), 'seed')}"


def same_text(scores: Sequence[float]) -> str:
    """The text for scores that are equal for every seed, which give no interval."""
    score = words.number(scores[0])
    return (
        f"{score} with each of {len(scores)} seeds, which does not show how far others may differ"
    )


def interval(estimate: Estimate) -> str:
    """``0.971 (95 % interval 0.969 to 0.973)``."""
    value = words.number(estimate.value)
    return value if math.isnan(estimate.low) else f"{value} (95 % interval {bounds(estimate)})"


def bounds(estimate: Estimate) -> str:
    """``0.969 to 0.973``; empty if unknown."""
    if math.isnan(estimate.low):
        return ""
    return f"{words.number(estimate.low)} to {words.number(estimate.high)}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _by_seed(
    methods: Sequence[str], runs: Sequence[MethodRun], values: dict[int, float | None]
) -> list[list[float]]:
    """A row for each seed, a column for each method; NaN for missing values."""
    at = {(run.seed, run.method): values[id(run)] for run in runs}
    seeds = sorted({run.seed for run in runs})
    rows = [[at.get((seed, method)) for method in methods] for seed in seeds]
    return [[math.nan if value is None else value for value in row] for row in rows]
