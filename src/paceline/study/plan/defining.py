"""Makes a study's definition from what a user passes: settings and objects.

`define` is used for a new study, for one that continues with the same call, and for one that
`paceline.resume`, `finish` or `ablate` continue. What is not given is as in the existing study, or
at its default if there is none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paceline.core import Budget, InvalidInput
from paceline.core.checks import flag
from paceline.execute import Processes, Ray, WorkerServer, factory_of, name_of
from paceline.execute.configured import ConfiguredExecutor
from paceline.execute.engines.options import no_function
from paceline.settings.description import Settings, default_settings
from paceline.settings.function import FUNCTION, NETWORKS, Kind
from paceline.settings.rules import FromMemory
from paceline.study.plan.arguments import OBJECTS, kind_of, refuse_others, without_open
from paceline.study.plan.definition import Definition
from paceline.study.plan.function_definition import with_function
from paceline.study.plan.initial_search import choose_search
from paceline.study.plan.limits import check_limits, limits_of, seed_of
from paceline.study.plan.network_definition import with_networks
from paceline.study.resume.existing import Existing, check_kind

_WITH_SETTINGS = {kind.name: kind for kind in (Processes, Ray, WorkerServer)}
"""Executors that are described by settings."""

_OF_EXECUTORS = ("address", "cpus_per_worker", "gpus_per_worker")
"""Settings that only these have."""


def define(
    given: Mapping[str, Any],
    directory: Path,
    existing: Existing | None = None,
    *,
    kind: Kind | None = None,
    limits: Budget | None = None,
    searches: bool = True,
    trust: bool = False,
) -> Definition:
    """The definition of a study.

    Args:
        given: the arguments that were passed, as in `paceline.tune`, by name.
        directory: that of the study.
        existing: the existing study; None for a new one.
        kind: that of the study; None for that of the existing one, or to derive it from the
            arguments.
        limits: those of this session; None for the given ones.
        searches: False if no trials will be added, so that a strategy or schedule of an unknown
            class need not be passed again.
        trust: whether code that only the existing study names may be run.

    Raises:
        InvalidInput: anything that can be refused before data are loaded and models are built.
        NotTrusted: the study names code that may not be run.
    """
    given = without_open(given, existing)
    kind = kind or (kind_of(given) if existing is None else existing.kind)
    refuse_others(given, kind, existing is not None)
    base = default_settings(kind) if existing is None else existing.settings
    if existing is not None:
        check_kind(kind, existing.kind, directory)
    plain = {name: value for name, value in given.items() if name not in OBJECTS}
    plain |= _callback_texts(given) | {"seed": seed_of(given.get("seed"), existing)}
    settings = base.updated(plain)
    if limits is None and ("trials" in given or "budget" in given):
        spent = 0.0 if existing is None else existing.seconds
        limits = Budget.of(given.get("trials"), given.get("budget"), spent)
    elif limits is None:
        limits = limits_of(existing)
    brought = {name: given.get(name) for name in ("start_with", "prior", "learn_from")}
    settings, executor = _with_executor(settings, given, directory, kind, searches)
    search = choose_search(
        given.get("search", "auto"), settings.search.seed, existing, searches=searches, **brought
    )
    if searches:
        check_limits(search.strategy, limits)
    settings = settings.with_values(
        search={**search.settings, "trials": limits.trials, "seconds": limits.total_seconds}
    )
    schedule = given.get("schedule")
    if schedule is None:
        schedule = "auto" if existing is None else existing.schedule(searches)
    definition = Definition(
        directory,
        settings,
        limits,
        given.get("build"),  # type: ignore[arg-type]  # found below
        search,
        schedule,
        executor=executor,
        existing=existing,
        change_space=flag("change_space", given.get("change_space", False)),
    )
    fill = with_function if kind == FUNCTION else with_networks
    return fill(definition, given, trust)


def _callback_texts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The setting of Keras callbacks that affect training; nothing where none does."""
    if not given.get("callbacks"):
        return {}
    from paceline.train.callback_text import texts_of

    texts = texts_of(given["callbacks"])
    return {"callbacks": texts} if texts else {}


def _with_executor(
    settings: Settings, given: Mapping[str, Any], directory: Path, of: Kind, searches: bool
) -> tuple[Settings, Any]:
    """The settings with the executor's name if it is registered; and the executor.

    Raises:
        InvalidInput: there is no such executor, it is not known any more, or it lacks an option.
    """
    if "executor" in given:
        executor, settings = given["executor"], _with_given_executor(settings, given)
    else:
        executor = _stored_executor(settings, directory, searches)
    chosen = settings.execution.executor
    kind = _WITH_SETTINGS.get(chosen) if isinstance(chosen, str) else None
    fields = () if kind is None else kind.fields
    _check_executor_options(given, fields)
    _check_workers(given, chosen, fields, of)
    if kind is not None:
        return settings, kind.of(settings.execution)
    return settings.updated(dict.fromkeys(_OF_EXECUTORS)), executor


def _with_given_executor(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings with a given executor; those of another one are dropped."""
    executor = given["executor"]
    factory_of(executor)  # raises the right error
    name = name_of(executor) or executor
    before = {} if name == settings.execution.executor else dict.fromkeys(_OF_EXECUTORS)
    own = executor.settings if isinstance(executor, ConfiguredExecutor) else {}
    again = {name: given[name] for name in (*_OF_EXECUTORS, "workers") if name in given}
    return settings.updated({**before, "executor": name, **own, **again})


def _stored_executor(settings: Settings, directory: Path, searches: bool) -> str | None:
    """The name of the study's executor; None for the standard one.

    Raises:
        InvalidInput: it was passed from memory, and is needed.
    """
    known = settings.execution.executor
    if not isinstance(known, FromMemory):
        return known
    if searches:
        raise InvalidInput(
            f"the executor of study {directory} was passed from memory, so it is not known",
            expected="that executor again, or the name of another one, such as 'local'",
        )
    return None


def _check_executor_options(given: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Checks that the executor has the options of executors that are given.

    Raises:
        InvalidInput: it lacks one.
    """
    for name in _OF_EXECUTORS:
        if name in given and name not in fields:
            having = [one for one, other in _WITH_SETTINGS.items() if name in other.fields]
            raise InvalidInput(
                f"{name} was given without an executor that has it",
                expected=" or ".join(f"executor={one!r}" for one in having) + " with it",
            )


def _check_workers(
    given: Mapping[str, Any], chosen: object, fields: Sequence[str], of: Kind
) -> None:
    """Checks that the executor has ``workers``, if they are given, and does the work.

    Raises:
        InvalidInput: it does not.
    """
    if of == FUNCTION and chosen == Processes.name:
        raise no_function()
    if of == NETWORKS and given.get("workers") is not None and "workers" not in fields:
        raise InvalidInput(
            "workers was given with a study of networks, and without an executor that has it",
            expected="executor='processes' with it, for networks in several processes; without, "
            "they train together in this one",
        )
