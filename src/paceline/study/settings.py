"""The settings of a study as it stores them: what each is called, and whether it may change when
the study goes on.

Settings are nested JSON, written by `paceline.study.plan.network_plan.Plan` and
`paceline.study.plan.function_plan.FunctionTask`. They are compared by dotted names, ``"closing.pairs"``. One
that is not listed here may not change.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paceline.core import StudyMismatch, shown
from paceline.core.events import Json


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is treated.

    Attributes:
        argument: what users call it; empty for the last part of its name.
        may_change: whether a study may go on with another value.
        is_noted: whether the user is told of a change.
        before: its value in studies that were written before it existed.
    """

    argument: str = ""
    may_change: bool = False
    is_noted: bool = True
    before: Json = None


_FIXED = Setting()
_QUIET = Setting(may_change=True, is_noted=False)
_OPEN = Setting(may_change=True)

SETTINGS: Mapping[str, Setting] = {
    # what the trials mean: those of two sessions could not be compared
    **dict.fromkeys(
        ("epochs", "batch_size", "validation_batch_size", "seed", "patience", "keep"), _FIXED
    ),
    **dict.fromkeys(("replication.folds", "replication.groups"), _FIXED),
    "replication.repeats": Setting(before=1),
    **dict.fromkeys(("source.model", "source.class_weight"), _FIXED),
    "source.data_options": _FIXED,
    # limits, and where things are
    **dict.fromkeys(
        ("trials", "memory", "keep_models", "in_flight", "workers", "time_limit", "memory_limit"),
        _QUIET,
    ),
    "seconds": Setting("budget", may_change=True, is_noted=False),
    **dict.fromkeys(
        ("source.build", "source.data", "source.data_options.data_dir", "source.network"), _QUIET
    ),
    **dict.fromkeys(
        ("source.fixed", "source.space"), _QUIET
    ),  # what they change is seen in the space
    # what is tried next, and what is made of it
    **dict.fromkeys(("search", "start_with", "ordered", "backend"), _OPEN),
    "strategy": Setting("search", may_change=True),
    "schedule": Setting(may_change=True, before={"schedule": "full"}),
    "closing.pairs": Setting("final", may_change=True, before=0),
    "closing.is_automatic": Setting("final", may_change=True, is_noted=False, before=False),
    **dict.fromkeys(("closing.prefer", "closing.refit"), _OPEN),
    "test_trials": Setting(may_change=True, before=False),
}

_NESTED = ("closing", "replication", "source", "source.data_options")


def setting(name: str) -> Setting:
    """How a setting is treated, by its dotted name."""
    while name and name not in SETTINGS:
        name = name.rpartition(".")[0]
    return SETTINGS.get(name, _FIXED)


def argument(name: str) -> str:
    """What users call a setting."""
    return setting(name).argument or name.rpartition(".")[2]


def flat(settings: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Each setting with its dotted name."""
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in _NESTED and isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        else:
            yield name, value


def with_changes(settings: Mapping[str, Json], changed: Mapping[str, Json]) -> dict[str, Json]:
    """Settings, some of them with new values; these by dotted names."""
    merged = dict(settings)
    for name, value in changed.items():
        at = merged
        *path, last = name.split(".") if name.startswith(_NESTED) else [name]
        for part in path:
            at[part] = dict(at.get(part) or {})
            at = at[part]
        at[last] = value
    return merged


def changes(
    before: Mapping[str, Json], now: Mapping[str, Json], directory: Path
) -> dict[str, Json]:
    """What has changed of a study's settings: new values, by dotted name.

    Args:
        before: as the study holds them.
        now: as they are asked for; what they leave out stays as it was.
        directory: of the study, for the message.

    Raises:
        StudyMismatch: a setting that may not change has another value; it names all of them.
    """
    known = dict(flat(before))
    changed = {
        name: (known.get(name, setting(name).before), value)
        for name, value in flat(json.loads(json.dumps(now)))  # as the store would give it back
        if not _is_same(known.get(name, setting(name).before), value)
    }
    wrong = {argument(name): pair for name, pair in changed.items() if not setting(name).may_change}
    if wrong:
        loop = (
            ("epochs", "batch_size") if "batch_size" in known else ()
        )  # else it is a study of a function
        told = {
            name: [
                "a hyperparameter" if name in loop and one is None else shown(one) for one in pair
            ]
            for name, pair in wrong.items()
        }
        is_now = " and ".join(f"{name} is {value}" for name, (_, value) in told.items())
        was = [value for value, _ in told.values()]
        was = (
            was
            if len(was) == 1
            else [f"{name} {value}" for name, value in zip(wrong, was, strict=True)]
        )
        raise StudyMismatch(
            is_now,
            expected=f"{' and '.join(was)}, as in {directory}",
            fix=another_directory(directory),
        )
    return {name: value for name, (_, value) in changed.items()}


def notes(before: Mapping[str, Json], changed: Mapping[str, Json]) -> list[str]:
    """What to tell the user of changed settings."""
    known = dict(flat(before))
    told = {
        argument(name): f"{_short(value)} (before: {_short(known.get(name, setting(name).before))})"
        for name, value in changed.items()
        if setting(name).is_noted
    }
    if not told:
        return []
    return [
        "The study goes on with other settings: "
        + ", ".join(f"{name} {what}" for name, what in told.items())
        + "."
    ]


def another_directory(directory: Path) -> str:
    """What to do about a mismatch."""
    return f"Use another directory, or what {directory} was made with."


def _is_same(one: Json, other: Json) -> bool:
    """Equal; of strategies and schedules in what both know, since a later version may know more of
    them.
    """
    if (
        isinstance(one, Mapping)
        and isinstance(other, Mapping)
        and {"strategy", "schedule"} & one.keys() & other.keys()
    ):
        return all(one[key] == other[key] for key in one.keys() & other.keys())
    return bool(one == other)


def _short(value: Json) -> str:
    if isinstance(value, Mapping):
        value = value.get("strategy") or value.get("schedule") or value
    return str(value) if isinstance(value, str) else shown(value)
