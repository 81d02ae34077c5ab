"""Exports to MLflow: a run for the study, and below it one for each trial."""

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from paceline.core import Trial, TrialState
from paceline.exporters.base import ExportedStudy, Exporter, require, without_password
from paceline.exporters.mlflow_bulk import FinishedRun, write_runs
from paceline.report.show import Summary
from paceline.store.paths import MODEL, REPORT

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

_STUDY, _TRIAL, _PARENT, _NAME = (
    "paceline.study",
    "paceline.trial",
    "mlflow.parentRunId",
    "mlflow.runName",
)
_MOST_METRICS = 1000  # of one call of MLflow
_MOST_PARAMETERS = 100


class MLflow(Exporter):
    """Logs the study as a run of MLflow, with a child run for each trial.

    Child runs have the configuration as parameters and the metrics of each epoch. The run of the
    study has the best configuration and score, and at the end the report and the best model as
    artifacts, if there are such files.

    Args:
        tracking_uri: of the tracking server or database, such as ``"sqlite:///mlflow.db"``; None
            for MLflow's own setting.
        experiment: its name; None for ``"paceline"``.
        run_name: of the study's run; None for the name of the study's directory.

    Raises:
        InvalidInput: MLflow is not installed.
    """

    name = "mlflow"
    needs = "a tracking URI that can be written, such as 'sqlite:///mlflow.db'"

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        run_name: str | None = None,
    ) -> None:
        require("mlflow", "MLflow", "mlflow")
        self._uri, self._experiment, self._run_name = tracking_uri, experiment, run_name

    def begin(self, study: ExportedStudy) -> None:
        """Creates the study's run, or continues it."""
        from mlflow import MlflowClient

        self._client = client = MlflowClient(self._uri)
        name = self._experiment or "paceline"
        experiment = client.get_experiment_by_name(name)
        self._experiment_id = (
            client.create_experiment(name) if experiment is None else experiment.experiment_id
        )
        known = list(self._search(f"tags.`{_STUDY}` = '{study.key}'"))
        if known:
            self._run = known[0].info.run_id
            client.update_run(self._run, status="RUNNING")
        else:
            tags = {_STUDY: study.key, _NAME: self._run_name or study.name}
            tags["paceline.objective"] = f"{study.objective.direction} {study.objective.metric}"
            self._run = client.create_run(self._experiment_id, tags=tags).info.run_id
        where = without_password(client.tracking_uri)
        self.place = f"the run {self._run} of the experiment {name!r} of MLflow at {where}"
        children = self._search(f"tags.`{_PARENT}` = '{self._run}'") if known else ()
        self._known = {child.data.tags.get(_TRIAL): child.info for child in children}
        self._written: set[int] = set()

    def add(self, trial: Trial) -> None:
        """Logs a trial, unless that was done."""
        self.add_many([trial])

    def add_many(self, trials: Sequence[Trial]) -> None:
        """Logs trials, in one transaction if MLflow's runs are in a database."""
        trials = [trial for trial in trials if trial.number not in self._written]
        new = [trial for trial in trials if str(trial.number) not in self._known]
        runs = [self._finished(trial) for trial in new]
        if write_runs(self._client, self._experiment_id, runs):
            self._written |= {trial.number for trial in new}
        for trial in trials:
            if trial.number not in self._written:
                self._log_trial(trial)

    def _log_trial(self, trial: Trial) -> None:
        """Logs a trial through the client; one whose logging was cut short is logged again."""
        self._written.add(trial.number)
        known = self._known.get(str(trial.number))
        if known is not None and known.status != "RUNNING":
            return
        run = self._finished(trial)
        if known is None:
            known = self._client.create_run(self._experiment_id, run.began, run.tags).info
        self._log(known.run_id, run.parameters, run.metrics)
        self._client.set_terminated(known.run_id, run.status, run.ended)

    def _finished(self, trial: Trial) -> FinishedRun:
        """A trial as a run."""
        from mlflow.entities import Param

        ended = time.time()
        began = ended - trial.seconds
        tags = {_PARENT: self._run, _TRIAL: str(trial.number), _NAME: f"trial {trial.number}"}
        tags |= {"paceline.state": str(trial.state), "paceline.origin": trial.origin}
        tags |= {f"paceline.name.{_name(n)}": n for n in trial.config if _name(n) != n}
        return FinishedRun(
            tags,
            [Param(_name(name), str(value)) for name, value in trial.config.items()],
            _metrics(trial, began),
            int(began * 1000),
            int(ended * 1000),
            "FAILED" if trial.state is TrialState.FAILED else "FINISHED",
        )

    def end(self, summary: Summary) -> None:
        """Logs the best trial, and attaches the report and the best model."""
        from mlflow.entities import Metric

        client, best = self._client, summary.record.best
        if best is not None and best.score is not None:
            client.set_tag(self._run, "paceline.best_trial", str(best.number))
            score = Metric("best_score", best.score, int(time.time() * 1000), 0)
            client.log_batch(self._run, metrics=[score])
            for name, value in best.config.items():
                client.set_tag(self._run, f"best.{_name(name)}", str(value))
        for name in (REPORT, MODEL):
            if (path := summary.directory / name).is_file():
                client.log_artifact(self._run, str(path))
        client.set_terminated(self._run)

    def _log(self, run: str, parameters: "Sequence[Param]", metrics: "Sequence[Metric]") -> None:
        while parameters or metrics:
            self._client.log_batch(run, metrics[:_MOST_METRICS], parameters[:_MOST_PARAMETERS])
            metrics, parameters = metrics[_MOST_METRICS:], parameters[_MOST_PARAMETERS:]

    def _search(self, query: str) -> Iterator[Any]:
        """All runs of the experiment that match."""
        token = None
        while True:
            found = self._client.search_runs([self._experiment_id], query, page_token=token)
            yield from found
            token = found.token
            if not token:
                return


def _name(name: str) -> str:
    """A name that MLflow accepts: other characters are replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _metrics(trial: Trial, began: float) -> "list[Metric]":
    from mlflow.entities import Metric

    measured = [
        Metric(_name(name), value, int((began + one.seconds) * 1000), one.epoch)
        for one in trial.measurements
        for name, value in one.metrics.items()
    ]
    if trial.score is not None:
        ended = int((began + trial.seconds) * 1000)
        measured.append(Metric("score", trial.score, ended, trial.best_epoch or 0))
    return measured
