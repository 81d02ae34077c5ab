"""A study's trials as a data frame."""

from typing import TYPE_CHECKING, Any

from paceline.study.record import Record

if TYPE_CHECKING:
    import pandas as pd


def trials_dataframe(record: Record) -> "pd.DataFrame":
    """One row a trial: number, state, score, epochs, seconds, origin, program, one ``config_*`` a hyperparameter."""
    import pandas as pd

    rows = []
    for trial in record.all_trials():
        row: dict[str, Any] = {
            "number": trial.number, "state": str(trial.state), "score": trial.score,
            "epochs": len(trial.measurements),
            "seconds": trial.seconds, "origin": trial.origin, "program": trial.program,
        }  # fmt: skip
        rows.append(row | {f"config_{name}": value for name, value in trial.config.items()})
    columns = ["number", "state", "score", "epochs", "seconds", "origin", "program"]
    columns += [f"config_{name}" for name in record.space.names]
    return pd.DataFrame(rows, columns=columns)
