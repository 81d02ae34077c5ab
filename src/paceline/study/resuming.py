"""From what a study stored of itself back to the request that made it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core import InvalidInput
from paceline.schedule import restore as restore_schedule
from paceline.search import Strategy, restore
from paceline.store import StudyStore
from paceline.study.asking import resolve
from paceline.study.closing import Closing, Replication
from paceline.study.function import FunctionTask
from paceline.study.record import Record
from paceline.study.request import Build, Request
from paceline.study.source import Source

_LEAST_SECONDS = 1.0  # left of a time budget that is worth going on with


def check_begun(record: Record, directory: Path) -> None:
    """Makes sure that there is something to go on with.

    Raises:
        InvalidInput: the process that made the study was stopped before it stored anything.
    """
    if record.created is None:
        raise InvalidInput(
            f"study {directory} was stopped before it stored anything", expected="a study that has begun",
            fix="Run again what was to begin it.",
        )  # fmt: skip


def request_of(
    record: Record, directory: Path, build: Build | str | None, data: Any, *, trials: int | None,
    budget: float | str | None, validation: Any = None, class_weight: Mapping[int, float] | None = None,
    folds: Any = None, groups: Any = None, memory: int | str | None = None, keep_models: int | None = None,
    data_options: Mapping[str, Any],
) -> Request:  # fmt: skip
    """The study's request, with what was passed from memory given again; arguments as in `paceline.resume`.

    Raises:
        InvalidInput: something was passed from memory and is not given again.
    """
    settings = record.settings
    source = Source.from_json(settings.get("source", {}))
    options = {**source.data_options, **data_options}
    build = found(
        "build", build, source.build or source.model, "build; on the terminal --build model.py:build", directory
    )
    data = found("data", data, source.data, "data", directory)
    validation = found("validation", validation, source.validation, "validation=(x_val, y_val)", directory)
    if class_weight is None and source.class_weight is not None:
        class_weight = {int(key): weight for key, weight in source.class_weight.items()}
    seed = int(settings["seed"])
    build, data, source, objective = resolve(build, data, source, record.objective, seed, options)
    loop = {name: settings[name] or record.space[name] for name in ("epochs", "batch_size")}
    return Request.of(
        build, data, objective=objective, study=directory, **loop, trials=trials,
        budget=budget, search=strategy_of(directory, settings["search"]),
        schedule=restore_schedule(settings.get("schedule", {"schedule": "full"})), ordered=settings.get("ordered"),
        in_flight=settings.get("in_flight"), seed=seed, validation=validation, data_options=options,
        class_weight=class_weight, patience=settings["patience"], keep=settings["keep"],
        memory=settings.get("memory") if memory is None else memory, source=source.to_json(),
        closing=Closing.from_json(settings.get("closing")), test_trials=settings.get("test_trials", False),
        keep_models=keep_models,
        replication=_replication(settings.get("replication") or {}, folds, groups, directory),
    )  # fmt: skip


def function_of(
    record: Record, directory: Path, spent: float, function: Build | str | None, trials: int | None, budget: Any
) -> FunctionTask:
    """A function's study, to be gone on with; arguments as in `limits_of` and `paceline.resume`.

    Raises:
        InvalidInput: it is told by hand, or the function was passed from memory and is not given again.
    """
    settings = record.settings
    if "source" not in settings:
        raise InvalidInput(
            f"study {directory} is told by hand", expected=f"paceline.open_study({str(directory)!r}), ask and tell"
        )
    function = found("function", function, settings["source"]["build"], "the function", directory)
    trials, budget = limits_of(record, directory, spent, trials, budget)
    same = {name: settings[name] for name in ("epochs", "ordered", "workers", "time_limit", "memory_limit")}
    return FunctionTask.of(
        function, objective=record.objective, study=directory, trials=trials, budget=budget,
        search=strategy_of(directory, settings["search"]), schedule=restore_schedule(settings["schedule"]),
        closing=Closing.from_json(settings.get("closing")), **same,
    )  # fmt: skip


def limits_of(
    record: Record, directory: Path, spent: float, trials: int | None, budget: float | str | None
) -> tuple[int | None, float | str | None]:
    """Trials and budget of a session that resumes: what is given, else what is left after ``spent`` seconds.

    Raises:
        InvalidInput: nothing is left.
    """
    settings = record.settings
    if trials is None and settings["trials"] is not None:
        trials = max(int(settings["trials"]), len(record.trials))
    seconds = settings.get("seconds")
    if trials is not None or budget is not None or seconds is None:
        return trials, budget
    left = float(seconds) - spent
    if left < _LEAST_SECONDS:
        raise InvalidInput(
            f"the time budget of study {directory}, {seconds:g} s, is used up", expected="a new limit",
            fix="Pass budget='5m' or trials=100 (a total); on the terminal --budget 5m or --trials 100.",
        )  # fmt: skip
    return None, left


def found(name: str, given: Any, stored: Any, how: str, directory: Path) -> Any:
    """What is given, else what was stored.

    Raises:
        InvalidInput: neither.
    """
    if given is None and stored is None:
        raise InvalidInput(
            f"the {name} of study {directory} was passed from memory, so it is not known",
            expected=f"that {name} again",
            fix=f"Pass it again, with {how}.",
        )
    return stored if given is None else given


def strategy_of(directory: Path, name: str) -> str | Strategy:
    """The study's strategy in its last state; its name where it was never asked."""
    store = StudyStore(directory, writable=False)
    try:
        state = store.value("strategy")
    finally:
        store.close()
    return name if state is None else restore(state)


def _replication(stored: Mapping[str, Any], folds: Any, groups: Any, directory: Path) -> Replication:
    """How often each configuration is trained; what was passed from memory has to be passed again."""
    known = stored.get("folds")
    if folds is None and known is not None:
        folds = known if isinstance(known, int) else found("folds", None, None, f"folds={known}", directory)
    if groups is None and stored.get("groups"):
        groups = found("groups", None, None, "groups=...", directory)
    return Replication.of(stored.get("repeats", 1), folds, groups)
