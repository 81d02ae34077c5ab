"""A study as its user sees it: read from its directory, at any time."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput, Trial
from paceline.space import Space
from paceline.study.backend import choose_backend
from paceline.study.frames import trials_dataframe
from paceline.study.record import Record, read_record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.report.plots import Plots


class Study:
    """The record of one search.

    Attributes:
        directory: where it lives.
        record: everything that its events add up to.
    """

    def __init__(self, directory: Path, record: Record) -> None:
        """See `open`."""
        self.directory, self.record = directory, record

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Study":
        """Reads a study, finished or not; another process may be writing it.

        Raises:
            InvalidInput: there is none.
        """
        return cls(Path(directory), read_record(directory))

    def __repr__(self) -> str:
        return f"<Study {self.directory}: {self.record.outcome}>"

    @property
    def trials(self) -> list[Trial]:
        """Every trial, in the order in which they were asked for."""
        return self.record.all_trials()

    @property
    def best(self) -> Trial:
        """The trial with the best score.

        Raises:
            InvalidInput: no trial has completed.
        """
        if self.record.best is None:
            raise InvalidInput(
                f"study {self.directory} has no completed trial",
                expected="at least one",
                fix="Resume it with more budget.",
            )
        return self.record.best

    @property
    def space(self) -> Space:
        """What may vary."""
        return self.record.space

    @property
    def seconds(self) -> float:
        """Wall time of all its sessions."""
        return self.record.seconds

    @property
    def programs_compiled(self) -> int:
        """XLA programs compiled from scratch."""
        return self.record.programs_compiled

    def best_model(self) -> Any:
        """The best trial's trained Keras model, as saved in ``best.keras``.

        Raises:
            InvalidInput: there is none yet.
        """
        path = self.directory / "best.keras"
        if not path.exists():
            raise InvalidInput(f"{path} is not there", expected="a study that ended", fix="Resume the study first.")
        choose_backend()
        import keras

        return keras.saving.load_model(path, safe_mode=True)

    @property
    def plot(self) -> "Plots":
        """The report's figures one by one: ``study.plot.best_so_far()``."""
        from paceline.report.plots import Plots

        return Plots(self.directory)

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes the report, one HTML file that opens anywhere, and says where; None: ``report.html`` in the study.

        Raises:
            InvalidInput: the file cannot be written.
        """
        from paceline.report.document import write_report

        return write_report(self.directory, path)

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial: number, state, score, epochs, seconds, origin, one ``config_*`` column a hyperparameter."""
        return trials_dataframe(self.record)
