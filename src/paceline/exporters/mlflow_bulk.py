"""Writes many finished runs into a database of MLflow in one transaction.

MLflow's client creates a run, logs to it and ends it in some ten transactions, which take most of
the time of an export. The rows written here are the same. Where runs are not in a database that
this process can reach, or MLflow's classes of them are others, nothing is written and the client is
used.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

_log = logging.getLogger("paceline")


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run, with everything that is known of it.

    Attributes:
        tags: with its name.
        parameters, metrics: to log.
        began, ended: in milliseconds since 1970.
        status: ``"FINISHED"`` or ``"FAILED"``.
    """

    tags: dict[str, str]
    parameters: "Sequence[Param]"
    metrics: "Sequence[Metric]"
    began: int
    ended: int
    status: str


def write_runs(client: "MlflowClient", experiment: str, runs: Sequence[FinishedRun]) -> bool:
    """Writes runs; returns False, and has written nothing, if that is not possible."""
    if not runs:
        return True
    try:
        store = _store(client)
        if store is None:
            return False
        _write(store, store.get_experiment(experiment), runs)
    except Exception as error:  # another version of MLflow may lack anything of the above
        _log.debug("Runs of MLflow are written one by one: %s", error)
        return False
    return True


def _store(client: "MlflowClient") -> Any:
    """The store of the client's runs if it is a database; None otherwise."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = client._tracking_client.store
    return store if isinstance(store, SqlAlchemyStore) else None


def _write(store: Any, experiment: Any, runs: Sequence[FinishedRun]) -> None:
    from mlflow.store.tracking.dbmodels import models
    from mlflow.utils.validation import _validate_batch_log_data
    from sqlalchemy import insert

    rows: dict[Any, list[dict[str, Any]]] = {
        kind: []
        for kind in (
            *(models.SqlRun, models.SqlTag, models.SqlParam),
            *(models.SqlMetric, models.SqlLatestMetric),
        )
    }
    for run in runs:
        key = uuid.uuid4().hex
        _validate_batch_log_data(run.metrics, run.parameters, [])  # type: ignore[no-untyped-call]
        rows[models.SqlRun].append(_run(key, experiment, run))
        rows[models.SqlTag] += [_pair(key, *pair) for pair in run.tags.items()]
        rows[models.SqlParam] += [_pair(key, one.key, one.value) for one in run.parameters]
        metrics = list(_metrics(store, key, run))
        rows[models.SqlMetric] += metrics
        # the last one of each name: later ones replace earlier ones
        rows[models.SqlLatestMetric] += list({one["key"]: one for one in metrics}.values())
    with store.ManagedSessionMaker(read_only=False) as session:
        for kind, of_kind in rows.items():
            if of_kind:
                session.execute(insert(kind), of_kind)


def _run(key: str, experiment: Any, run: FinishedRun) -> dict[str, Any]:
    """The row of a run in MLflow's database."""
    from mlflow.utils.uri import append_to_uri_path

    return {
        "run_uuid": key,
        "name": run.tags["mlflow.runName"],
        "artifact_uri": append_to_uri_path(  # type: ignore[no-untyped-call]
            experiment.artifact_location, key, "artifacts"
        ),
        "experiment_id": int(experiment.experiment_id),
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "source_version": "",
        "user_id": "unknown",
        "status": run.status,
        "start_time": run.began,
        "end_time": run.ended,
        "lifecycle_stage": "active",
    }


def _pair(run: str, key: str, value: str) -> dict[str, str]:
    return {"run_uuid": run, "key": key, "value": value}


def _metrics(store: Any, run: str, found: FinishedRun) -> Iterator[dict[str, Any]]:
    """Its metrics in the order of their steps, each once."""
    seen = set()
    for one in sorted(found.metrics, key=lambda metric: (metric.step, metric.timestamp)):
        is_nan, value = store.sanitize_metric_value(one.value)
        row = {
            "run_uuid": run,
            "key": one.key,
            "value": value,
            "timestamp": one.timestamp,
            "step": one.step,
            "is_nan": is_nan,
        }
        if tuple(row.values()) not in seen:
            seen.add(tuple(row.values()))
            yield row
