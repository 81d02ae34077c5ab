"""A comparison as data frames."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paceline.comparison import claims
from paceline.stats.ranks import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from paceline.comparison.claims import Axis
    from paceline.comparison.result import Comparison


def results(comparison: "Comparison") -> "pd.DataFrame":
    """See `Comparison.results`."""
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


def curves(comparison: "Comparison") -> "pd.DataFrame":
    """See `Comparison.curves`."""
    import pandas as pd

    rows = [
        {"method": r.method, "seed": r.seed, **asdict(point)}
        for r in comparison.runs
        for point in r.points
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "trials", "epochs", "seconds", "score"])


def budgets(comparison: "Comparison", axis: "Axis") -> "pd.DataFrame":
    """See `Comparison.budgets`."""
    import pandas as pd

    rows = [
        {
            "method": one.method,
            one.axis: one.budget,
            **_told(comparison.objective.metric, one.score),
            **_told("iqm", one.iqm),
            **_told("rank", one.rank),
        }
        for one in claims.stands(comparison.methods, comparison.runs, comparison.objective, axis)
    ]
    return pd.DataFrame(rows)


def differences(comparison: "Comparison") -> "pd.DataFrame":
    """See `Comparison.differences`."""
    import pandas as pd

    metric, table = claims.outcomes(comparison.methods, comparison.runs, comparison.objective)
    rows = [
        {
            "metric": metric,
            "first": comparison.methods[pair.first],
            "second": comparison.methods[pair.second],
            **_told("first_is_better_by", pair.difference),
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


def _told(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
