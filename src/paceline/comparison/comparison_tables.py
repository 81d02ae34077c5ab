"""Data frames of a comparison."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paceline.comparison import claims
from paceline.comparison.claims import BudgetAxis
from paceline.comparison.comparison_record import ComparisonRecord
from paceline.stats.ranks import Estimate

if TYPE_CHECKING:
    import pandas as pd


def results(comparison: ComparisonRecord) -> "pd.DataFrame":
    """One row per run; see `Comparison.results`."""
    import pandas as pd

    rows = [
        {
            "method": run.method,
            "seed": run.seed,
            comparison.objective.metric: run.score,
            **{f"test_{name}": value for name, value in sorted(run.tests.items())},
            "trials": run.trials,
            "epochs": run.epochs,
            "seconds": run.seconds,
            "compilations": run.compilations,
            "compiling_seconds": run.compiling,
            "peak_bytes": run.peak_bytes,
            "grid": run.grid,
            "state": run.state,
        }
        for run in comparison.runs
    ]
    return pd.DataFrame(rows)


def curves(comparison: ComparisonRecord) -> "pd.DataFrame":
    """One row per ended trial; see `Comparison.curves`."""
    import pandas as pd

    rows = [
        {"method": r.method, "seed": r.seed, **asdict(point)}
        for r in comparison.runs
        for point in r.points
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "trials", "epochs", "seconds", "score"])


def budgets(comparison: ComparisonRecord, axis: BudgetAxis) -> "pd.DataFrame":
    """One row per method and budget; see `Comparison.budgets`."""
    import pandas as pd

    rows = [
        {
            "method": one.method,
            one.axis: one.budget,
            **_with_interval(comparison.objective.metric, one.score),
            **_with_interval("iqm", one.iqm),
            **_with_interval("rank", one.rank),
        }
        for one in claims.budget_results(
            comparison.methods, comparison.runs, comparison.objective, axis
        )
    ]
    return pd.DataFrame(rows)


def differences(comparison: ComparisonRecord) -> "pd.DataFrame":
    """One row per pair of methods; see `Comparison.differences`."""
    import pandas as pd

    metric, table = claims.outcomes(comparison.methods, comparison.runs, comparison.objective)
    rows = [
        {
            "metric": metric,
            "first": comparison.methods[pair.first],
            "second": comparison.methods[pair.second],
            **_with_interval("first_is_better_by", pair.difference),
            "seeds": pair.num_blocks,
            "test": pair.test,
            "p": pair.p,
            "p_holm": pair.p_holm,
            "real": pair.is_real,
        }
        for pair in claims.pairs(table, comparison.objective)
    ]
    columns = [
        "metric",
        "first",
        "second",
        "first_is_better_by",
        "first_is_better_by_low",
        "first_is_better_by_high",
    ]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "test", "p", "p_holm", "real"])


def _with_interval(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
