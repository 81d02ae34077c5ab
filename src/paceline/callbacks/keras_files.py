"""Files as those of Keras's callbacks, written from what a study has measured."""

import csv
import io
import os
from pathlib import Path

from paceline.callbacks.interface import Callback, StudyView
from paceline.core import Trial
from paceline.store.files import write_text


class EpochsCSV(Callback):
    """Writes the metrics of the epochs of each trial as Keras's ``CSVLogger`` does.

    The file of trial 7 is in a folder of its own: ``trial-7/log.csv`` for ``log.csv``. It is
    written when the trial pauses or ends.

    Args:
        path: the file of a single training.
        separator: between the values of a line.
    """

    def __init__(self, path: str | os.PathLike[str] = "epochs.csv", separator: str = ",") -> None:
        self._path, self._separator = Path(path).absolute(), separator

    def on_trial_paused(self, study: StudyView, trial: Trial, reason: str) -> None:
        """Writes the file of the trial."""
        self._write(trial)

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Writes the file of the trial."""
        self._write(trial)

    def _write(self, trial: Trial) -> None:
        if not trial.measurements:
            return
        keys = sorted(trial.measurements[0].metrics)
        if not any(key.startswith("val_") for key in keys):
            keys += [f"val_{key}" for key in keys]
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self._separator)
        writer.writerow(["epoch", *keys])
        for one in trial.measurements:
            writer.writerow([one.epoch - 1, *(one.metrics.get(key, "NA") for key in keys)])
        path = place_of(self._path, trial.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text.getvalue())


def place_of(path: Path, trial: int) -> Path:
    """The file of a trial in place of the one file of a single training."""
    return path.parent / f"trial-{trial}" / path.name
