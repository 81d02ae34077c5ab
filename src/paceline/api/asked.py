"""What `tune` is asked for, checked as far as it can be before data are loaded and models built."""

from collections.abc import Mapping
from typing import Any

from paceline.api.running import refuse
from paceline.core import Budget
from paceline.store import study_directory
from paceline.study import Request
from paceline.study.asking import as_request, check_limits, fresh_directory, left_open, seed_of
from paceline.study.bring import choose_search
from paceline.study.closing import Closing, Replication
from paceline.study.plan.function_plan import FunctionTask
from paceline.study.resume.existing import Existing

_OF_DATA: Mapping[str, Any] = {
    **dict.fromkeys(
        ("validation_batch_size", "patience", "class_weight", "memory", "folds", "groups")
    ),
    **dict.fromkeys(("prefer", "refit", "keep_models")),
    "batch_size": 32,
    "validation": 0.1,
    "keep": "last",
    "repeats": 1,
    "test_trials": False,
}
"""Arguments that mean nothing without data, with their values where they are left out."""

_PASSED_ON = (
    "validation",
    "class_weight",
    "fixed",
    "batch_size",
    "validation_batch_size",
    "patience",
    "keep",
    "ordered",
    "test_trials",
    "trials",
    "budget",
    "change_space",
)
"""Arguments of a study of networks that are checked where its request is made."""

_OF_FUNCTIONS = ("space", "workers", "time_limit", "memory_limit")


def asked_for(given: Mapping[str, Any]) -> Request | FunctionTask:
    """From the arguments of `tune`, by name, ``data_options`` among them; ``display`` is left out.

    Raises:
        InvalidInput: anything that can be refused by itself.
        StudyMismatch: the directory holds another study.
    """
    build, data, options = given["build"], given["data"], dict(given["data_options"])
    directory = fresh_directory() if given["study"] is None else study_directory(given["study"])
    existing = Existing.find(directory)
    seed = seed_of(given["seed"], existing)
    brought = {name: given[name] for name in ("start_with", "prior", "learn_from")}
    search = choose_search(given["search"], seed, existing, **brought)
    limits = Budget.of(
        given["trials"], given["budget"], 0.0 if existing is None else existing.seconds
    )
    check_limits(search, limits)
    closing = Closing.of(given["final"], given["prefer"], given["refit"])
    shared: dict[str, Any] = {
        "study": directory,
        "search": search,
        "seed": seed,
        "existing": existing,
    }
    if data is None:
        only = {name: (given[name], default) for name, default in _OF_DATA.items()}
        refuse(
            "without data",
            "left out, or data",
            **only,
            **{name: (value, None) for name, value in options.items()},
        )
        closing = Closing() if existing is None and closing.is_automatic else closing
        open_to_us = _named(given, "objective", "schedule", "epochs", "in_flight")
        return FunctionTask.of(
            build,
            budget=limits,
            **shared,
            **_named(given, *_OF_FUNCTIONS, "ordered", "fixed", "change_space"),
            **left_open(existing, **open_to_us, closing=closing),
        )
    refuse(
        "with data",
        "left out, since it is of functions",
        **{name: (given[name], None) for name in _OF_FUNCTIONS},
    )
    open_to_us = _named(
        given, "objective", "schedule", "epochs", "in_flight", "memory", "keep_models"
    )
    asked = left_open(existing, **open_to_us, closing=closing)
    options |= {} if given["groups"] is None else {"groups": given["groups"]}
    return as_request(
        build,
        data,
        **shared,
        **_named(given, *_PASSED_ON),
        data_options=options,
        replication=Replication.of(given["repeats"], given["folds"]),
        **{**asked, "epochs": 10 if asked["epochs"] is None else asked["epochs"]},
    )


def _named(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}
