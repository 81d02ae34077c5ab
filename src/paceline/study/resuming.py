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
from paceline.study.record import Record
from paceline.study.request import Build, Request
from paceline.study.source import Source


def request_of(
    record: Record, directory: Path, build: Build | str | None, data: Any, *, trials: int | None,
    budget: float | str | None, validation: Any = None, class_weight: Mapping[int, float] | None = None,
    folds: Any = None, groups: Any = None, memory: int | str | None = None, data_options: Mapping[str, Any],
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
        replication=_replication(settings.get("replication") or {}, folds, groups, directory),
    )  # fmt: skip


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
