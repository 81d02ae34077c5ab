"""Upgrades settings of studies of format 2 and before to the current form.

They were a single mapping, with nested ones named ``closing``, ``replication`` and ``source``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from paceline.core.events import Json

_GROUPS = {
    "training": ("epochs", "batch_size", "validation_batch_size", "patience", "keep"),
    "search": (
        "search",
        "strategy",
        "start_with",
        "schedule",
        "trials",
        "seconds",
        "seed",
        "ordered",
        "in_flight",
    ),
    "evaluation": ("test_trials", "keep_models"),
    "execution": ("workers", "time_limit", "memory_limit", "memory", "backend"),
}
_NAMES = {
    **{name: f"{group}.{name}" for group, names in _GROUPS.items() for name in names},
    "replication.repeats": "evaluation.repeats",
    "replication.folds": "evaluation.folds",
    "closing.prefer": "evaluation.prefer",
    "closing.refit": "evaluation.refit",
    "source.validation": "evaluation.validation",
    "source.class_weight": "training.class_weight",
    "source.data": "data.source",
    **{f"source.{name}": f"function.{name}" for name in ("build", "model", "network", "fixed")},
    "source.space": "function.space",
}
_NESTED = ("closing", "replication", "source", "source.data_options")
_MEMORY: Json = {"from_memory": "an object"}


def is_earlier(settings: Mapping[str, Json]) -> bool:
    """Whether settings have the form of format 2 or before."""
    return not isinstance(settings.get("function"), Mapping)


def upgraded(settings: Mapping[str, Json], kind: str) -> dict[str, Json]:
    """Settings of the first event of a study of this kind, in the current form."""
    flat = dict(_flat(settings))
    given = {
        # before these existed
        "closing.pairs": 0,
        "schedule": {"schedule": "full"},
        "source.build": None,
        "source.data": None,
        "source.validation": None,
        **flat,
    }
    if kind != "networks":
        given = {name: value for name, value in given.items() if name[:11] != "source.data"}
        given.pop("source.validation")
    found = nested(upgraded_changes(given))
    function = found.setdefault("function", {})
    function["kind"] = kind
    if function.get("build") is None and function.get("model") is None and kind != "asked":
        function["build"] = _MEMORY
    if kind == "networks":
        for group, name in (("data", "source"), ("evaluation", "validation")):
            found[group][name] = _MEMORY if found[group].get(name) is None else found[group][name]
        if found["evaluation"]["validation"] == 0.0:  # these stood for none
            found["evaluation"]["validation"] = None
        if flat.get("replication.groups") and "groups" not in found["data"]:
            found["data"]["groups"] = _MEMORY
    return found


def upgraded_changes(changed: Mapping[str, Json]) -> dict[str, Json]:
    """Changed settings by dotted names, in the current form."""
    found: dict[str, Json] = {}
    for name, value in changed.items():
        if name in ("closing.pairs", "closing.is_automatic"):
            continue
        if name in _NAMES:
            found[_NAMES[name]] = value
        elif name.startswith("source.data_options."):
            if value is not None:
                found[f"data.{name.rpartition('.')[2]}"] = value
        elif name.partition(".")[0] not in ("replication", "source", "closing"):
            found[name] = value
    pairs, automatic = changed.get("closing.pairs"), changed.get("closing.is_automatic")
    if pairs is not None or automatic is not None:
        is_off = pairs == 0
        found["evaluation.final"] = "off" if is_off else "auto" if automatic else pairs
    return found


def nested(changed: Mapping[str, Json]) -> dict[str, Any]:
    """Values by dotted names, as a mapping of groups."""
    found: dict[str, Any] = {}
    for name, value in changed.items():
        group, dot, field = name.partition(".")
        if dot:
            found.setdefault(group, {})[field] = value
    return found


def _flat(settings: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in _NESTED and isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value
