"""A study's trials as a data frame."""

from typing import TYPE_CHECKING, Any

from paceline.study.record.record import Record

if TYPE_CHECKING:
    import pandas as pd


def trials_dataframe(record: Record) -> "pd.DataFrame":
    """One row per trial: number, state, score, epochs, seconds, origin, program, and ``config_*``.

    ``program`` identifies the compiled model. ``worker`` says where each trial started, where any
    started on another machine or process than the study's. Where the space was changed,
    ``in_space`` says which trials belong to the current space.
    """
    import pandas as pd

    rows = []
    for trial in record.all_trials():
        row: dict[str, Any] = {
            "number": trial.number,
            "state": str(trial.state),
            "score": trial.score,
            "epochs": len(trial.measurements),
            "seconds": trial.seconds,
            "origin": trial.origin,
            "program": trial.program,
        }
        rows.append(row | {f"config_{name}": value for name, value in trial.config.items()})
    columns = ["number", "state", "score", "epochs", "seconds", "origin", "program"]
    names = dict.fromkeys(
        (*record.space.names, *(name for trial in record.trials.values() for name in trial.config))
    )
    columns += [f"config_{name}" for name in names]
    frame = pd.DataFrame(rows, columns=columns)
    if any(trial.worker is not None for trial in record.trials.values()):
        frame["worker"] = [trial.worker for trial in record.all_trials()]
    if record.moved:
        frame["in_space"] = [number not in record.moved for number in record.trials]
    return frame


def epochs_dataframe(record: Record) -> "pd.DataFrame":
    """One row per trained epoch of each trial: number, epoch, seconds, and a column a metric."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {"number": trial.number, "epoch": one.epoch, "seconds": one.seconds, **one.metrics}
        for trial in record.all_trials()
        for one in trial.measurements
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame(rows, columns=list(names) or ["number", "epoch", "seconds"])
