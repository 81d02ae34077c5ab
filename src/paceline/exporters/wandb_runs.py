"""Exports to Weights & Biases: a group of runs, one for each trial."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from paceline.core import InvalidInput, Trial, TrialState, shown
from paceline.exporters.base import ExportedStudy, Exporter, directory_of, require
from paceline.exporters.wandb_files import EndedRun, RunLabels, digest_of, write_run, written_runs

_log = logging.getLogger("paceline")

_NOTHING_OF_THIS_PROCESS: Mapping[str, Any] = {
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
}
"""Settings of a run that was trained elsewhere: describing this process takes most of the time."""

_THREADS = 4  # a run waits for the service of wandb most of the time
_OTHER_RECORDS = (ImportError, AttributeError, TypeError, ValueError)
"""What writing records raises if those of the installed wandb are others."""


class WandB(Exporter):
    """Logs each trial as a run of Weights & Biases; the runs of a study are a group.

    In offline mode the files of a run are written when its trial has ended, by this process. A
    trial that has such files, of the same project and group and with the same epochs, is not
    written again.

    Args:
        project: the project; None for ``"paceline"``.
        group: name of the group; None for that of the study's directory.
        mode: ``"online"``, or ``"offline"`` to write files that ``wandb sync`` uploads later; None
            for the setting of Weights & Biases.
        directory: where files are written; None for the study's directory.
        entity: the user or team.

    Raises:
        InvalidInput: wandb is not installed, or another mode.
    """

    name = "wandb"
    needs = (
        "a directory that can be written and a login (wandb login), or files for a later upload: "
        "mode='offline', on the terminal WANDB_MODE=offline before the command"
    )

    def __init__(
        self,
        project: str | None = None,
        group: str | None = None,
        mode: Literal["online", "offline"] | None = None,
        directory: str | os.PathLike[str] | None = None,
        entity: str | None = None,
    ) -> None:
        require("wandb", "Weights & Biases", "wandb")
        if mode not in (None, "online", "offline"):
            raise InvalidInput(f"mode is {shown(mode)}", expected="'online' or 'offline'")
        self._project, self._group, self._entity = project or "paceline", group, entity
        self._mode = mode
        self._directory = directory_of(directory)

    def begin(self, study: ExportedStudy) -> None:
        """Finds out whether runs are files, and which there are."""
        import wandb

        self._study = study
        self._root = self._directory or study.directory
        known = wandb.setup().settings
        self._labels = RunLabels(
            self._project, self._group or study.name, self._entity or known.entity
        )
        is_offline = (self._mode or known.mode) in ("offline", "dryrun")
        folder = self._root / ".wandb"
        folder = folder if folder.exists() else self._root / "wandb"  # as wandb chooses
        self._folder: Path | None = folder if is_offline else None
        self._written = written_runs(folder) if is_offline else set()
        self.place = (
            f"the group {self._labels.group!r} of the project {self._project!r} of Weights & Biases"
        )
        if is_offline:
            self.place += f", in {folder}: upload it with wandb sync"

    def add_many(self, trials: Sequence[Trial]) -> None:
        """Writes trials as files in offline mode; logs them several at a time otherwise."""
        runs = {digest_of(run, self._labels): run for run in map(self._ended, trials)}
        new = {digest: run for digest, run in runs.items() if digest not in self._written}
        if self._folder is not None:
            self._write_files(new, self._folder)
        ended = [run for digest, run in new.items() if digest not in self._written]
        if ended:
            with ThreadPoolExecutor(_THREADS) as threads:
                list(threads.map(self._log_run, ended))

    def add(self, trial: Trial) -> None:
        """Logs a trial, under the same id as an earlier export."""
        self.add_many([trial])

    def _write_files(self, runs: Mapping[str, EndedRun], folder: Path) -> None:
        """Writes files of runs, by digest; those that are not `_written` then, the library logs."""
        for digest, run in runs.items():
            try:
                write_run(folder, run, self._labels, digest)
            except _OTHER_RECORDS as error:  # another version may lack any of them
                _log.debug("Runs of Weights & Biases are logged one by one: %s", error)
                return
            self._written.add(digest)

    def _ended(self, trial: Trial) -> EndedRun:
        """A trial as a run."""
        return EndedRun(
            f"{self._study.key}-{trial.number}",
            f"trial {trial.number}",
            dict(trial.config),
            trial.measurements,
            _summary(trial, self._study),
            time.time() - trial.seconds,
            trial.seconds,
            int(trial.state is TrialState.FAILED),
        )

    def _log_run(self, ended: EndedRun) -> None:
        """Logs a run through the library."""
        import wandb

        run = wandb.init(
            project=self._project,
            entity=self._entity,
            group=self._labels.group,
            name=ended.name,
            id=ended.id,
            config=dict(ended.config),
            mode=self._mode,
            dir=str(self._root),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", **_NOTHING_OF_THIS_PROCESS),
        )
        for one in ended.history:
            run.log(dict(one.metrics), step=one.epoch, commit=True)
        run.summary.update(dict(ended.summary))
        run.finish(exit_code=ended.exit_code)


def _summary(trial: Trial, study: ExportedStudy) -> dict[str, Any]:
    return {
        "score": trial.score,
        "objective": f"{study.objective.direction} {study.objective.metric}",
        "best_epoch": trial.best_epoch,
        "state": str(trial.state),
        "origin": trial.origin,
        "seconds": trial.seconds,
    }
