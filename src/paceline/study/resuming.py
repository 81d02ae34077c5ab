"""From what a study stored of itself back to the request that made it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from paceline.core import Budget, InvalidInput
from paceline.data import weights
from paceline.data.folds import rebuilt
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.space import Space
from paceline.study.asking import resolve
from paceline.study.bring import choose_search
from paceline.study.closing import Closing, Replication
from paceline.study.plan.function_plan import FunctionTask
from paceline.study.plan.study_data import rule_of
from paceline.study.plan.user_code import Source, plain_options
from paceline.study.request import Buildable, Request
from paceline.study.resume.existing import ASKED, Existing
from paceline.study.resume.trust import check as check_trusted

_FROM_PYTHON = " from Python (the command line cannot take it)"
_LEAST_SECONDS = 1.0  # left of a time budget that is worth going on with


def request_of(
    existing: Existing,
    build: Buildable | None,
    data: Any,
    *,
    budget: Budget,
    search: str | Strategy = "auto",
    schedule: str | Schedule = "auto",
    validation: Any = None,
    class_weight: Any = None,
    folds: Any = None,
    groups: Any = None,
    memory: int | str | None = None,
    keep_models: int | None = None,
    data_options: Mapping[str, Any],
    searches: bool = True,
    trust: bool = False,
    change_space: bool = False,
) -> Request:
    """The study's request, with what was passed from memory given again; arguments as in
    `paceline.resume`.

    Args:
        existing, build, data, search, schedule, validation, class_weight, folds, groups, memory,
        keep_models,
            data_options: as in `resume`; search and schedule that are not known here need not be
            passed again where nothing is searched.
        budget: the limits.
        searches: whether further trials are to be asked for.
        trust, change_space: as in `resume`.

    Raises:
        InvalidInput: something was passed from memory and is not given again.
        NotTrusted: the study names code that may not be run.
    """
    record, directory, settings = existing.record, existing.directory, existing.settings
    source = Source.from_json(settings.get("source", {}))
    options = {**source.data_options, **data_options}
    if build is None and source.build is not None:
        check_trusted(source.build, directory, trust)
    build = found(
        "build",
        build,
        source.build or source.model,
        "build; on the terminal --build model.py:build",
        directory,
    )
    data = found("data", data, source.data, "data", directory)
    validation = found(
        "validation",
        validation,
        source.validation,
        f"validation=(x_val, y_val){_FROM_PYTHON}",
        directory,
    )
    class_weight = source.class_weight if class_weight is None else class_weight
    replication = settings.get("replication") or {}
    if groups is None and replication.get("groups") and getattr(data, "groups", None) is None:
        groups = found(
            "groups", None, options.get("groups"), f"groups=...{_FROM_PYTHON}", directory
        )
    options |= {} if groups is None else {"groups": groups}
    source = replace(
        source, class_weight=weights.plain(class_weight), data_options=plain_options(options)
    )
    seed, rule = existing.seed, rule_of(existing.data)
    build, data, source, objective = resolve(
        build, data, source, record.objective, seed, options, rule
    )
    loop = {name: settings[name] or record.space[name] for name in ("epochs", "batch_size")}
    return Request.of(
        build,
        data,
        objective=objective,
        study=directory,
        **loop,
        budget=budget,
        search=choose_search(search, seed, existing, searches=searches),
        schedule=_schedule_of(existing, schedule, searches),
        ordered=settings.get("ordered"),
        in_flight=settings.get("in_flight"),
        seed=seed,
        validation=validation,
        data_options=options,
        class_weight=class_weight,
        patience=settings["patience"],
        keep=settings["keep"],
        memory=settings.get("memory") if memory is None else memory,
        source=source.to_json(),
        closing=Closing.from_json(settings.get("closing")),
        test_trials=settings.get("test_trials", False),
        keep_models=settings.get("keep_models") if keep_models is None else keep_models,
        validation_batch_size=settings.get("validation_batch_size"),
        replication=_replication(replication, folds, directory),
        recorded=existing.data,
        change_space=change_space,
    )


def function_of(
    existing: Existing,
    function: Buildable | None,
    *,
    budget: Budget,
    search: str | Strategy = "auto",
    schedule: str | Schedule = "auto",
    searches: bool = True,
    trust: bool = False,
    change_space: bool = False,
) -> FunctionTask:
    """A function's study, to be gone on with; arguments as in `request_of`.

    Raises:
        InvalidInput: its trials are told by hand, or the function was passed from memory and is not
            given again.
        NotTrusted: the study names code that may not be run.
    """
    record, directory, settings = existing.record, existing.directory, existing.settings
    if existing.kind == ASKED:
        raise InvalidInput(
            f"study {directory} is told by hand",
            expected=f"paceline.open_study({str(directory)!r}), ask and tell",
        )
    known = Source.from_json(settings.get("source", {})).build
    if function is None and known is not None:
        check_trusted(known, directory, trust)
    function = found("function", function, known, "the function", directory)
    names = ("epochs", "ordered", "workers", "time_limit", "memory_limit", "in_flight")
    given = settings["source"].get("space")
    space = (
        record.space if given is None else Space.from_json(given)
    )  # of an older study all that is known stays
    return FunctionTask.of(
        function,
        objective=record.objective,
        study=directory,
        budget=budget,
        search=choose_search(search, existing.seed, existing, searches=searches),
        seed=existing.seed,
        existing=existing,
        schedule=_schedule_of(existing, schedule, searches),
        closing=Closing.from_json(settings.get("closing")),
        fixed=settings["source"].get("fixed"),
        space=space,
        change_space=change_space,
        **{name: settings.get(name) for name in names},
    )


def limits_of(existing: Existing, trials: int | None, budget: float | str | None) -> Budget:
    """The limits of a session that goes on: what is asked for, else what is left of the study's
    own.

    Args:
        existing: the study.
        trials: the new total, if given.
        budget: of this session, if given.

    Raises:
        InvalidInput: nothing is left.
    """
    settings, spent = existing.settings, existing.seconds
    if trials is None and settings.get("trials") is not None:
        trials = max(int(settings["trials"]), len(existing.record.trials))
    seconds = settings.get("seconds")
    if trials is not None or budget is not None or seconds is None:
        return Budget.of(trials, budget, spent)
    left = float(seconds) - spent
    if left < _LEAST_SECONDS:
        raise InvalidInput(
            f"the time budget of study {existing.directory}, {seconds:g} s, is used up",
            expected="a new limit",
            fix="Pass budget='5m' or trials=100 (a total); on the terminal --budget 5m or --trials "
            "100.",
        )
    return Budget(None, left, spent)


def _schedule_of(existing: Existing, given: str | Schedule, searches: bool) -> str | Schedule:
    is_open = isinstance(given, str) and given.strip().lower() == "auto"
    return existing.schedule(searches) if is_open else given


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


def _replication(stored: Mapping[str, Any], folds: Any, directory: Path) -> Replication:
    """How often each configuration is trained; what was passed from memory has to be passed
    again.
    """
    known = stored.get("folds")
    if folds is None and known is not None:
        again = known if isinstance(known, int) else rebuilt(known)
        folds = found("folds", None, again, f"folds={known}{_FROM_PYTHON}", directory)
    return Replication.of(stored.get("repeats", 1), folds)
