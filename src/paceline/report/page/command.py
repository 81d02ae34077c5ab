"""The command that repeats a study, as far as a command can say it."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.report.show import Summary
from paceline.schedule import create
from paceline.space import Space
from paceline.study.closing import Closing

_STRATEGIES = ("auto", "bayes", "random", "sobol", "cmaes", "grid")
_DATA_OPTIONS = ("target", "task", "test", "groups", "decimal")
_DATA_FLAGS = ("shuffle", "standardize", "scale_target")


def command(summary: Summary) -> str | None:
    """The command; None where something came from memory, or has settings that no option has."""
    settings = summary.record.settings
    source = settings.get("source") or {}
    build, data = source.get("build") or source.get("model"), source.get("data")
    search, folds = settings.get("search"), (settings.get("replication") or {}).get("folds")
    replication = settings.get("replication") or {}
    unsayable = (
        not build,
        not data,
        search not in _STRATEGIES,
        source.get("validation") is None,
        replication.get("groups") and "groups" not in (source.get("data_options") or {}),
        isinstance(folds, str),
        set(source.get("data_options") or {}) - {*_DATA_OPTIONS, *_DATA_FLAGS, "data_dir"},
        not _is_standard(settings.get("schedule")),
        any("," in str(name) for name in source.get("class_weight") or ()),
    )
    if any(unsayable):
        return None
    said = ["paceline", "tune"]
    said += [str(build)] if source.get("build") else ["--model", str(build)]
    for option, value in _options(summary, settings, source, replication):
        said += [f"--{option}"] if value is True else [f"--{option}", str(value)]
    return shlex.join(said)


def _options(
    summary: Summary,
    settings: Mapping[str, Any],
    source: Mapping[str, Any],
    replication: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    """Options with their values; True for those that have none. What is at its default is left
    out.
    """
    objective = summary.record.objective
    yield "data", source["data"]
    yield "objective", f"{objective.metric}:{objective.direction[:3]}"
    for name in ("epochs", "batch_size"):
        yield name.replace("_", "-"), _numbers(settings.get(name), name, summary.record.space)
    yield "search", settings["search"]
    yield "schedule", settings["schedule"]["schedule"]
    yield "seed", settings["seed"]
    if settings.get("seconds") is not None:
        yield "budget", f"{settings['seconds']:g}s"
    given = {
        "trials": settings.get("trials"),
        "patience": settings.get("patience"),
        "memory": settings.get("memory"),
        "validation": source["validation"],
        "keep": settings.get("keep"),
        "folds": replication.get("folds"),
        "repeats": replication.get("repeats", 1),
        "validation-batch-size": settings.get("validation_batch_size"),
    }
    default = {"validation": 0.1, "keep": "last", "repeats": 1}
    yield from (
        (name, value)
        for name, value in given.items()
        if value is not None and value != default.get(name)
    )
    options = source.get("data_options") or {}
    yield from ((name, options[name]) for name in _DATA_OPTIONS if options.get(name) is not None)
    for name in _DATA_FLAGS:
        if options.get(name) is not None:
            yield name.replace("_", "-") if options[name] else f"no-{name.replace('_', '-')}", True
    weighted = source.get("class_weight")
    if weighted:
        weights = dict(enumerate(weighted)) if isinstance(weighted, list) else weighted
        yield (
            "class-weight",
            weighted
            if isinstance(weighted, str)
            else ",".join(f"{c}={str(w).removesuffix('.0')}" for c, w in weights.items()),
        )
    yield from _closing(Closing.from_json(settings.get("closing")))
    for name, value in (source.get("fixed") or {}).items():
        yield "set", f"{name}={_typed(value)}"


def _closing(closing: Closing) -> Iterator[tuple[str, Any]]:
    if not closing.is_automatic:
        yield "final", closing.pairs or "off"
    if closing.prefer is not None:
        yield "prefer", closing.prefer
    if closing.refit is not None:
        yield "refit" if closing.refit else "no-refit", True


def _numbers(number: int | None, name: str, space: Space) -> str:
    """A number, or those that a hyperparameter of the training loop chooses from."""
    if number is not None or name not in space:
        return str(number)
    one = space[name]
    return ",".join(str(one.value_at(index)) for index in range(one.num_values or 0))


def _typed(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _is_standard(schedule: Any) -> bool:
    """Whether a schedule is what its name alone makes."""
    if not isinstance(schedule, dict) or "schedule" not in schedule:
        return False
    try:
        return dict(create(schedule["schedule"]).to_json()) == schedule
    except InvalidInput:
        return False
