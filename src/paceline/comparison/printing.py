"""Comparisons and ladders as text for the terminal."""

import math
from typing import TYPE_CHECKING

from paceline.comparison import claims
from paceline.comparison.comparison_record import ComparisonRecord
from paceline.comparison.ladder_record import LadderRecord
from paceline.report import words
from paceline.report.terminal import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from paceline.stats.ranks import Estimate

_MIB = 2**20


def show(comparison: ComparisonRecord, to: "Console") -> None:
    """Prints conclusions, final results, results at smaller budgets, and resources used."""
    counted = words.count(len(comparison.seeds), "seed")
    say(
        to,
        f"Comparison {comparison.directory}: {comparison.objective.metric} on {comparison.data}, "
        f"{counted} each.",
    )
    for sentence in comparison.sentences:
        say(to, sentence)
    to.print(_outcomes(comparison))
    to.print(_budgets(comparison))
    to.print(_resources(comparison))
    say(
        to,
        f"Tables and a page with figures are in {comparison.directory}: comparison.csv, "
        f"comparison.html.",
    )


def show_ladder(ladder: LadderRecord, to: "Console") -> None:
    """Prints the results of each rung, and which steps are significant."""
    from rich.markup import escape

    say(to, f"Ladder {ladder.directory}: {ladder.metric} on {ladder.data}.")
    for sentence in ladder.sentences:
        say(to, sentence)
    table = _table(
        "rung", f"{ladder.metric}, mean", "95 % interval", "step", "interval", "p (Holm)", "seconds"
    )
    for rung in ladder.rungs:
        step = ladder.step_to(rung.name)
        cells = ["", "", ""]
        if step is not None:
            known = "" if math.isnan(step.low) else f"{step.low:+.4f} to {step.high:+.4f}"
            cells = [f"{step.difference:+.4f}", known, words.number(step.p_holm)]
        mean = words.number(rung.score.value)
        table.add_row(
            escape(rung.name), mean, claims.bounds(rung.score), *cells, f"{rung.seconds:.1f}"
        )
    to.print(table)
    say(to, f"Tables and a page with figures are in {ladder.directory}: ladder.csv, ladder.html.")


def _outcomes(comparison: ComparisonRecord) -> "Table":
    from rich.markup import escape

    metric, values = claims.outcomes(comparison.methods, comparison.runs, comparison.objective)
    table = _table("method", f"{metric}, mean", "95 % interval", "average rank", "95 % interval")
    for one in claims.final_results(comparison.methods, values, comparison.objective):
        score, rank = one.score, one.rank
        ranks = "" if math.isnan(rank.low) else f"{rank.low:.2f} to {rank.high:.2f}"
        table.add_row(
            escape(one.method),
            words.number(score.value),
            claims.bounds(score),
            f"{rank.value:.2f}",
            ranks,
        )
    return table


def _budgets(comparison: ComparisonRecord) -> "Table":
    from rich.markup import escape

    axis = comparison.axis
    budget_results = claims.budget_results(
        comparison.methods, comparison.runs, comparison.objective, axis
    )
    spent = list(dict.fromkeys(stand.budget for stand in budget_results))
    metric = comparison.objective.metric
    table = _table(f"best {metric} after", *(f"{words.number(budget)} {axis}" for budget in spent))
    for method in comparison.methods:
        mine = [stand for stand in budget_results if stand.method == method]
        table.add_row(escape(method), *(_mean_and_interval(one.score) for one in mine))
    return table


def _mean_and_interval(score: "Estimate") -> str:
    """A mean with its interval, if known."""
    if math.isnan(score.value):
        return "none yet"
    known = claims.bounds(score)
    return words.number(score.value) + (f" ({known})" if known else "")


def _resources(comparison: ComparisonRecord) -> "Table":
    from rich.markup import escape

    names = ("method", "trials", "epochs", "seconds", "compilations", "peak memory")
    table = _table(*names)
    for method in comparison.methods:
        runs = [run for run in comparison.runs if run.method == method]
        if not runs:
            continue
        peak = max((run.peak_bytes or 0 for run in runs), default=0)
        means = [
            sum(map(float, found)) / len(runs)
            for found in (
                (run.trials for run in runs),
                (run.epochs for run in runs),
                (run.seconds for run in runs),
                (run.compilations for run in runs),
            )
        ]
        table.add_row(
            escape(method), *map(words.number, means), f"{peak / _MIB:,.0f} MiB" if peak else ""
        )
    return table


def _table(first: str, *others: str) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(escape(first))
    for heading in others:
        table.add_column(escape(heading), justify="right")
    return table
