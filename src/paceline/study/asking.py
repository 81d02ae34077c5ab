"""From what a user passes to a request: where build and data come from, the seed, the directory,
the limits.
"""

import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from paceline.core import Budget, InvalidInput
from paceline.core.checks import mapping, real, whole_number
from paceline.data import weights
from paceline.data.folds import in_time
from paceline.search import Strategy
from paceline.study.bring import SearchChoice
from paceline.study.closing import Closing, Replication
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.study_data import load_data, rule_of
from paceline.study.plan.user_code import (
    Source,
    callable_of,
    fix,
    form_of,
    import_build,
    network,
    plain_data,
    plain_options,
)
from paceline.study.request import Build, Buildable, Request
from paceline.study.resume.existing import Existing


def as_request(
    build: Buildable,
    data: Any,
    *,
    objective: Any,
    trials: int | None,
    budget: float | str | None,
    search: str | Strategy | SearchChoice,
    seed: int,
    study: Path,
    validation: Any,
    class_weight: Any,
    fixed: Mapping[str, Any] | None,
    data_options: Mapping[str, Any],
    existing: Existing | None = None,
    **training: Any,
) -> Request:
    """What `tune` was asked for, checked as far as it can be without building a model.

    Args:
        build, data, objective, trials, budget, search, seed, study, validation, class_weight,
        fixed: as in `tune`.
        data_options: as in `tune`.
        existing: the study, where there is one already.
        **training: ``epochs, batch_size, validation_batch_size, patience, keep, memory, schedule,
            ordered, in_flight, test_trials, keep_models`` as in `tune`; ``closing`` and
            ``replication``.
    """
    data_options = _in_order(data_options, training.get("replication"), existing)
    source = Source(
        fixed={} if fixed is None else mapping("fixed", fixed),
        data=plain_data(data),
        # 0: there is none, as opposed to not known
        validation=0.0 if validation is None else real(validation),
        data_options=plain_options(data_options),
        class_weight=weights.plain(class_weight),
    )
    recorded, spent = (None, 0.0) if existing is None else (existing.data, existing.seconds)
    build, data, source, objective = resolve(
        build, data, source, objective, seed, data_options, rule_of(recorded)
    )
    return Request.of(
        build,
        data,
        objective=objective,
        study=study,
        budget=Budget.of(trials, budget, spent),
        search=search,
        recorded=recorded,
        seed=seed,
        validation=validation,
        data_options=data_options,
        class_weight=class_weight,
        source=source.to_json(),
        **training,
    )


def _in_order(
    options: Mapping[str, Any], replication: Replication | None, existing: Existing | None
) -> Mapping[str, Any]:
    """Data options for folds in the order of time: a test part that is drawn is then the last rows,
    unless asked.
    """
    if "shuffle" in options or replication is None or not in_time(replication.folds):
        return options
    if existing is not None and "shuffle" not in existing.settings.get("source", {}).get(
        "data_options", {}
    ):
        return options  # written when it was drawn by chance
    return {**options, "shuffle": False}


def left_open(existing: Existing | None, **asked: Any) -> dict[str, Any]:
    """What was asked for; what was left to Paceline (None, or ``"auto"``) is as in the study that
    is there.

    Args:
        existing: the study; None where there is none.
        **asked: any of ``schedule, epochs, in_flight, memory, keep_models, objective, closing``.
    """
    if existing is None:
        return asked
    settings, found = existing.settings, dict(asked)
    if isinstance(asked.get("schedule"), str) and asked["schedule"].strip().lower() == "auto":
        found["schedule"] = existing.schedule()
    for name in ("epochs", "in_flight", "memory", "keep_models"):
        if name in asked and asked[name] is None:
            found[name] = settings.get(name)
    if found.get("epochs", 0) is None and "epochs" in existing.record.space:
        found["epochs"] = existing.record.space["epochs"]
    if "objective" in asked and asked["objective"] is None:
        found["objective"] = existing.record.objective
    closing = asked.get("closing")
    if closing is not None and closing.is_automatic:
        own = Closing.from_json(settings.get("closing"))
        found["closing"] = replace(closing, pairs=own.pairs, is_automatic=own.is_automatic)
    return found


def resolve(
    build: Buildable,
    data: Any,
    source: Source,
    objective: Any,
    seed: int,
    options: Mapping[str, Any],
    rule: int,
) -> tuple[Build, Any, Source, Any]:
    """Build as a function, the data as they are needed for it, where both come from, and the
    objective.
    """
    if isinstance(build, str) and ":" in build:
        choose_backend()
        found = import_build(build)
        file, _, name = build.rpartition(":")
        source = replace(source, build=f"{Path(file).expanduser().resolve()}:{name}", model=None)
    elif isinstance(build, str):
        choose_backend()
        data = load_data(data, options, seed, rule)
        form = form_of(build, data)
        found = network(build, form)
        source = replace(source, model=build, network=form, build=None)
        objective = objective or ("val_accuracy" if data.task == "classification" else "val_loss")
    else:
        found = callable_of(build)
    if source.fixed:
        found = fix(found, source.fixed)
    if objective is None:
        raise InvalidInput(
            "no objective was given",
            expected="the metric to optimise, such as objective='val_accuracy' or 'val_loss'",
            fix="On the terminal: --objective val_accuracy",
        )
    return found, data, source, objective


def check_limits(search: SearchChoice, limits: Budget) -> None:
    """Makes sure that a search will end.

    Raises:
        InvalidInput: neither trials nor a budget.
    """
    if not search.strategy.ends and limits.trials is None and limits.seconds is None:
        raise InvalidInput(
            "neither trials nor budget was given",
            expected="trials=64, budget='5m' or both",
            fix="Only search='grid' ends by itself.",
        )


def fresh_directory() -> Path:
    """A name that is free; the directory is made when the study begins."""
    return Path(tempfile.gettempdir()) / f"paceline-{secrets.token_hex(6)}"


def seed_of(seed: int | None, existing: Existing | None = None) -> int:
    """The seed that was given, else that of the study that is there, else a new one.

    Raises:
        InvalidInput: no whole number of at least 0.
    """
    if seed is not None:
        return whole_number("seed", seed, at_least=0)
    return secrets.randbelow(2**31) if existing is None else existing.seed
