"""Writes the trials as a CSV file, while the study runs and at its end."""

import os
import time
from pathlib import Path

from paceline.callbacks.interface import Callback, StudyView
from paceline.core import Trial
from paceline.store.files import write_text

_SHARE = 20  # of the time, one part in so many may be spent on writing the file
_LEAST_SECONDS = 10.0


class TrialsCSV(Callback):
    """Writes ``trials.csv``, one row a trial, as `paceline.Study.trials_dataframe` has them.

    The file is replaced as a whole: when a trial has ended, but not more often than every ten
    seconds, and when the study ends.

    Args:
        path: the file; None for ``trials.csv`` in the study's directory.
    """

    name = "csv"

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path).absolute()
        self._next = 0.0

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Writes the file if that was not done a moment ago."""
        began = time.monotonic()
        if began >= self._next:
            self._write(study)
            ended = time.monotonic()
            self._next = ended + max(_LEAST_SECONDS, _SHARE * (ended - began))

    def on_study_end(self, study: StudyView, reason: str) -> None:
        """Writes the file."""
        self._next = 0.0
        self._write(study)

    def _write(self, study: StudyView) -> None:
        from paceline.study.record.dataframe import trials_dataframe

        path = self._path or study.directory / "trials.csv"
        write_text(path, trials_dataframe(study.record()).to_csv(index=False))
