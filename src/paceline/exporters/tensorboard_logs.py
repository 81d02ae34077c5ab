"""Exports to TensorBoard: a run for each trial, with its curves and hyperparameters."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paceline.core import Trial, TrialState
from paceline.exporters.base import ExportedStudy, Exporter, claim, directory_of, require
from paceline.space import Float, Hyperparameter, Int


class TensorBoard(Exporter):
    """Writes event files for TensorBoard: scalars of each epoch, and the HParams dashboard.

    Each trial is a run, ``trial-7``. Its ``score`` stands at the epoch that was kept. TensorFlow is
    not needed. Look at it with ``tensorboard --logdir DIRECTORY``.

    Args:
        directory: the log directory; None for ``tensorboard`` in the study's directory. For several
            studies in one dashboard, give each a directory in the log directory.

    Raises:
        InvalidInput: TensorBoard is not installed.
    """

    name = "tensorboard"

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        require("tensorboard", "TensorBoard", "tensorboard")
        self._directory = directory_of(directory)

    def begin(self, study: ExportedStudy) -> None:
        """Writes what the HParams dashboard lists."""
        self._root = self._directory or study.directory / "tensorboard"
        self.place = str(self._root)
        claim(self._root, study)
        self.change_space(study)

    def change_space(self, study: ExportedStudy) -> None:
        """Writes the hyperparameters and metrics, in place of those before."""
        from tensorboard.plugins.hparams import summary_v2 as hparams

        metric = study.objective.metric
        summary = hparams.hparams_config_pb(
            hparams=[hparams.HParam(one.name, _domain(one)) for one in study.space],
            metrics=[
                hparams.Metric("score", display_name=f"score ({metric})"),
                hparams.Metric(metric, display_name=metric),
            ],
        )
        with _run(self._root) as write:
            write(summary, 0, time.time())

    def add(self, trial: Trial) -> None:
        """Writes the run of a trial, in place of an earlier one."""
        from tensorboard.plugins.hparams import summary_v2 as hparams
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        name, ended = f"trial-{trial.number}", time.time()
        began = ended - trial.seconds
        with _run(self._root / name) as write:
            write(hparams.hparams_pb(dict(trial.config), name, began), 0, began)
            for one in trial.measurements:
                for metric, value in one.metrics.items():
                    write(scalar_pb(metric, value), one.epoch, began + one.seconds)
            if trial.score is not None and math.isfinite(trial.score):
                write(scalar_pb("score", trial.score), trial.best_epoch or 0, ended)
            write(_session_end(trial, ended), 0, ended)


@contextmanager
def _run(directory: Path) -> Iterator[Any]:
    """Replaces the events of a run; yields the function that writes a summary."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    earlier = list(directory.glob("events.out.tfevents.*"))
    writer = EventFileWriter(str(directory))

    def write(summary: Any, step: int, wall_time: float) -> None:
        writer.add_event(Event(summary=summary, step=step, wall_time=wall_time))

    try:
        yield write
    finally:
        writer.close()
    for path in earlier:
        path.unlink(missing_ok=True)


def _domain(hyperparameter: Hyperparameter) -> Any:
    """The values of a hyperparameter, as the dashboard filters by them."""
    from tensorboard.plugins.hparams import summary_v2 as hparams

    values = getattr(hyperparameter, "values", None)
    if isinstance(hyperparameter, Int):
        return hparams.IntInterval(hyperparameter.min_value, hyperparameter.max_value)
    if isinstance(hyperparameter, Float):
        return hparams.RealInterval(hyperparameter.min_value, hyperparameter.max_value)
    if values is None:
        return None
    kinds = {type(value) for value in values}
    return hparams.Discrete(list(values), dtype=kinds.pop()) if len(kinds) == 1 else None


def _session_end(trial: Trial, ended: float) -> Any:
    """How the trial ended, for the dashboard."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS
    if trial.state is TrialState.FAILED:
        status = api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=ended)
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    return Summary(
        value=[
            Summary.Value(
                tag=metadata.SESSION_END_INFO_TAG,
                metadata=metadata.create_summary_metadata(data),
                tensor=metadata.NULL_TENSOR,
            )
        ]
    )
