"""Analyses of a study as data frames; see the methods of `paceline.report.Study`."""

import math
from typing import TYPE_CHECKING, Any

from paceline.report.ablation_gains import gains_of
from paceline.report.columns import became
from paceline.report.curves import by_chance, progress
from paceline.report.evidence import evidence
from paceline.report.show import Summary
from paceline.study import Record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.stats.variance_analysis import Share, VarianceAnalysis


def importance(record: Record) -> "pd.DataFrame":
    """See `Study.importance`."""
    import pandas as pd

    variance = evidence(record).variance()
    rows = [
        {
            "hyperparameter": share.names[0],
            **_values(variance, share),
            **_values(variance, among, ("best", "best_low", "best_high")),
            **_quality(variance, share),
        }
        for share, among in zip(variance.shares(), variance.best(), strict=True)
    ]
    frame = pd.DataFrame(rows).sort_values(
        "share", ascending=False, kind="stable", ignore_index=True
    )
    frame.attrs["reason"] = variance.quality.doubt
    return frame


def _values(
    variance: "VarianceAnalysis",
    share: "Share",
    names: tuple[str, str, str] = ("share", "low", "high"),
) -> dict[str, float]:
    """A share and its interval; NaN if they are not reliable."""
    values = (share.share, share.low, share.high)
    return dict(zip(names, values if variance.quality.enough else [math.nan] * 3, strict=True))


def _quality(variance: "VarianceAnalysis", share: "Share") -> dict[str, float]:
    quality = variance.quality
    judged = {"r2": quality.r2, "rank_correlation": quality.rank_correlation, "sure": quality.sure}
    return {"num_trials": share.num_trials, **judged}


def columns(record: Record) -> "pd.DataFrame":
    """See `Study.columns`."""
    import pandas as pd

    return pd.DataFrame(became(record), columns=["column", "became"], dtype=object)


def ablation(record: Record) -> "pd.DataFrame":
    """See `Study.ablation`."""
    import pandas as pd

    rows = [
        {
            "hyperparameter": one.name,
            "side": str(one.side),
            "before": one.before,
            "after": one.after,
            "gain": one.gain,
            "low": one.low,
            "high": one.high,
            "p": one.p,
            "num_pairs": one.num_pairs,
        }
        for one in gains_of(record)
    ]
    columns = ["hyperparameter", "side", "before", "after", "gain", "low", "high", "p", "num_pairs"]
    return pd.DataFrame(rows, columns=columns)


def interactions(record: Record) -> "pd.DataFrame":
    """See `Study.interactions`."""
    import pandas as pd

    variance = evidence(record).variance()
    rows = [
        {
            "first": pair.names[0],
            "second": pair.names[1],
            **_values(variance, pair),
            **_quality(variance, pair),
        }
        for pair in variance.interactions()
    ]
    columns = [
        "first",
        "second",
        "share",
        "low",
        "high",
        "num_trials",
        "r2",
        "rank_correlation",
        "sure",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame.attrs["reason"] = variance.quality.doubt
    return frame


def dependence(record: Record, name: str) -> "pd.DataFrame":
    """See `Study.dependence`."""
    import pandas as pd

    from paceline.stats.partial_dependence import partial_dependence as of

    variance = evidence(record).variance()
    found = of(variance, name)
    sign = record.objective.loss(1.0)
    ends = (found.low, found.high) if sign > 0 else (-found.high, -found.low)
    frame = pd.DataFrame(
        {
            "value": list(found.values),
            "score": sign * found.mean,
            "low": ends[0],
            "high": ends[1],
            "num_trials": found.num_trials,
            "supported": found.supported,
        }
    )
    frame.attrs["reason"] = variance.quality.doubt
    if variance.quality.doubt:
        frame[["score", "low", "high"]] = math.nan
    return frame


def curves(summary: Summary) -> "pd.DataFrame":
    """See `Study.curves`."""
    import pandas as pd

    found = progress(summary.record, summary.timeline.ended)
    columns = {
        "epochs": found.epochs.astype(int),
        "seconds": found.seconds,
        "score": found.scores,
        "best": found.best,
    }
    return pd.DataFrame({"number": [trial.number for trial in found.trials], **columns})


def learning_curves(record: Record) -> "pd.DataFrame":
    """See `Study.learning_curves`."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "state": str(trial.state),
            "epoch": m.epoch,
            "seconds": m.seconds,
            **m.metrics,
        }
        for trial in record.all_trials()
        for m in trial.measurements
    ]
    if rows:
        return pd.DataFrame(rows)
    return pd.DataFrame(columns=["number", "state", "epoch", "seconds"])


def expected_best(record: Record) -> "pd.DataFrame":
    """See `Study.expected_best`."""
    import pandas as pd

    counts, expected = by_chance(record)
    return pd.DataFrame({"num_trials": counts, "score": expected})
