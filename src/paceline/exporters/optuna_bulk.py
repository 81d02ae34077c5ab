"""Adds many trials to a study of Optuna in one transaction.

Optuna adds one trial after the other, each with about forty queries and a transaction of its own,
which takes most of the time of an export. The rows written here are the same. They are those of one
version of Optuna's schema: with another, or another kind of storage, Optuna itself adds the trials.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

_SCHEMA = 12


def add_trials(study: "optuna.Study", trials: "Sequence[optuna.trial.FrozenTrial]") -> None:
    """Adds finished trials to a study.

    Raises:
        ValueError: a parameter has another kind of distribution than in other trials.
    """
    storage = _database(study)
    if storage is None:
        study.add_trials(trials)
    elif trials:
        _check_distributions([*study.get_trials(deepcopy=False), *trials])
        _write(storage, storage.get_study_id_from_name(study.study_name), trials)


def _database(study: "optuna.Study") -> Any:
    """The storage of the study if it is a database of the known schema; None otherwise."""
    from optuna import storages

    storage = getattr(study, "_storage", None)
    storage = getattr(storage, "_backend", storage)  # behind a cache
    if not isinstance(storage, storages.RDBStorage):
        return None
    try:
        from optuna.storages._rdb import models
    except ImportError:
        return None
    return storage if getattr(models, "SCHEMA_VERSION", None) == _SCHEMA else None


def _check_distributions(trials: "Sequence[optuna.trial.FrozenTrial]") -> None:
    from optuna.distributions import check_distribution_compatibility

    first: dict[str, Any] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            check_distribution_compatibility(first.setdefault(name, distribution), distribution)


def _write(storage: Any, study: int, trials: "Sequence[optuna.trial.FrozenTrial]") -> None:
    from optuna.storages._rdb import models
    from sqlalchemy import func, insert, select
    from sqlalchemy.orm import Session

    table = models.TrialModel
    with Session(storage.engine) as session, session.begin():
        among = select(func.count()).select_from(table).where(table.study_id == study)
        count = session.scalar(among) or 0
        made = [
            table(
                study_id=study,
                number=count + place,
                state=trial.state,
                datetime_start=trial.datetime_start,
                datetime_complete=trial.datetime_complete,
            )
            for place, trial in enumerate(trials)
        ]
        session.add_all(made)
        session.flush()  # gives them their ids
        numbers: list[Any] = [row.trial_id for row in made]
        pairs = list(zip(numbers, trials, strict=True))
        for rows_of, kind in (
            (_values, models.TrialValueModel),
            (_parameters, models.TrialParamModel),
            (_steps, models.TrialIntermediateValueModel),
            (_attributes, models.TrialUserAttributeModel),
        ):
            rows = [row for number, trial in pairs for row in rows_of(number, trial)]
            if rows:
                session.execute(insert(kind), rows)


def _values(number: int, trial: Any) -> Iterator[dict[str, Any]]:
    from optuna.storages._rdb.models import TrialValueModel

    for objective, value in enumerate(trial.values or ()):
        stored, kind = TrialValueModel.value_to_stored_repr(value)
        found = {"trial_id": number, "objective": objective, "value": stored, "value_type": kind}
        yield found


def _parameters(number: int, trial: Any) -> Iterator[dict[str, Any]]:
    from optuna.distributions import distribution_to_json

    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        yield {
            "trial_id": number,
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }


def _steps(number: int, trial: Any) -> Iterator[dict[str, Any]]:
    from optuna.storages._rdb.models import TrialIntermediateValueModel

    for step, value in trial.intermediate_values.items():
        stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        yield {
            "trial_id": number,
            "step": step,
            "intermediate_value": stored,
            "intermediate_value_type": kind,
        }


def _attributes(number: int, trial: Any) -> Iterator[dict[str, Any]]:
    for key, value in trial.user_attrs.items():
        yield {"trial_id": number, "key": key, "value_json": json.dumps(value)}
