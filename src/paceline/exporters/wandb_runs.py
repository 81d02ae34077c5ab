"""Exports to Weights & Biases: a group of runs, one for each trial."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from paceline.core import InvalidInput, Trial, TrialState, shown
from paceline.exporters.base import ExportedStudy, Exporter, directory_of, require

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


class WandB(Exporter):
    """Logs each trial as a run of Weights & Biases; the runs of a study are a group.

    Each trial is a run with files of its own: that takes much longer than with the other exporters.

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
        """Remembers the study."""
        self._study = study
        group = self._group or study.name
        self.place = f"the group {group!r} of the project {self._project!r} of Weights & Biases"

    def add_many(self, trials: Sequence[Trial]) -> None:
        """Logs trials, several at a time."""
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(self.add, trials))

    def add(self, trial: Trial) -> None:
        """Logs a trial, under the same id as an earlier export."""
        import wandb

        run = wandb.init(
            project=self._project,
            entity=self._entity,
            group=self._group or self._study.name,
            name=f"trial {trial.number}",
            id=f"{self._study.key}-{trial.number}",
            config=dict(trial.config),
            mode=self._mode,
            dir=str(self._directory or self._study.directory),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", **_NOTHING_OF_THIS_PROCESS),
        )
        for one in trial.measurements:
            run.log(dict(one.metrics), step=one.epoch)
        run.summary.update(_summary(trial, self._study))
        run.finish(exit_code=int(trial.state is TrialState.FAILED))


def _summary(trial: Trial, study: ExportedStudy) -> dict[str, Any]:
    return {
        "score": trial.score,
        "objective": f"{study.objective.direction} {study.objective.metric}",
        "best_epoch": trial.best_epoch,
        "state": str(trial.state),
        "origin": trial.origin,
        "seconds": trial.seconds,
    }
