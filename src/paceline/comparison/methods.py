"""`compare`: several search methods on one task, with equal budgets and seeds."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paceline import api
from paceline.comparison.comparison_result import Comparison
from paceline.comparison.directory import place_of, planned, read_plan, write_plan
from paceline.comparison.memory import watched
from paceline.core import (
    InvalidInput,
    checks,
    known_name,
    parse_seconds,
    shown,
    validates_argument_names,
)
from paceline.report import Study, Summary, read
from paceline.report.continuation import interruptible_runs
from paceline.schedule import schedule_names
from paceline.search import Grid, strategy_names
from paceline.space import Space
from paceline.store import has_study, study_directory
from paceline.study.plan.limits import fresh_directory

Method = Mapping[str, Any] | Callable[[int, Mapping[str, Study]], Mapping[str, Any]]
"""Arguments of `paceline.tune`, or a function of the seed and earlier studies that returns them."""

_SAMPLES = 10  # maximum number of points of a continuous hyperparameter in a grid
_LEAST_SECONDS = 1.0  # smallest rest of a time budget that is used


_INSTEAD = {"search": "searches", "schedule": "schedules", "seed": "seeds", "study": "directory"}
"""Arguments of `paceline.tune` that methods differ in, and those of `compare` instead."""


@validates_argument_names(*api.ARGUMENTS)
def compare(
    build: Any,
    data: Any = None,
    *,
    searches: Sequence[str] = (),
    schedules: Sequence[str] = ("full",),
    methods: Mapping[str, Method] | None = None,
    seeds: int | Sequence[int] = 5,
    trials: int | None = None,
    budget: float | str | None = None,
    directory: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Compares search methods on one task with equal budgets, and tests which is better.

    Example::

        comparison = paceline.compare(
            build, "mnist", objective="val_accuracy", epochs=5, seeds=5, trials=30,
            searches=["random", "grid", "bayes"], schedules=["full", "asha"],
            directory="runs/compared",
        )
        comparison.sentences, comparison.results(), comparison.budgets(), comparison.differences()

    Each method has a study for each seed; with one seed all methods have the same data split, the
    same initial weights and the same test set, so they are compared seed by seed. The order of the
    methods changes with the seed. A call with an existing ``directory`` resumes it: nothing is
    trained again, and further searches, schedules, seeds or trials are added.

    Args:
        build, data: as in `paceline.tune`.
        searches: names of strategies, each combined with each of the ``schedules``. A grid has as
            many points for each continuous hyperparameter as fit into ``trials``, up to ten; if
            even the coarsest does not fit, its points are tried in order, the default first, and
            the result says how many.
        schedules: names of schedules.
        methods: further methods by name: their own arguments of `paceline.tune`, such as
            ``{"search": paceline.search.optuna(...)}``; or a function of the seed and of this
            seed's studies so far, by method, that returns them. Functions come after all others.
        seeds: how many, from 1; or a list of seeds.
        trials: of each run.
        budget: wall time of each run.
        directory: where everything is stored; None for a new one in the system's temporary folder.
        say: called with a text at the start of each run.
        **options: further arguments of `paceline.tune`, for all methods. Without ``final`` there
            is no final: the best model of the search is tested as it was trained.

    Returns:
        The comparison; it is also written to ``comparison.csv`` and ``comparison.html`` in its
        directory.

    Raises:
        InvalidInput: an invalid argument.
        StudyMismatch: the directory contains a comparison of another task.
    """
    _check_options(options, say)
    path = fresh_directory() if directory is None else study_directory(directory, "directory")
    every, wanted = _methods(searches, schedules, methods), _seeds(seeds)
    common = {"final": False, **options, "trials": trials, "budget": budget}
    for name, method in every.items():
        if not callable(method):
            what = f"methods gives {name!r} with " if name in (methods or {}) else ""
            asked = {**common, **method, "seed": wanted[0]}
            _check(what, build, data, asked, place_of(path, name, wanted[0]))
    space: Space | None = None
    with interruptible_runs(path), planned(path, list(every), wanted):
        for turn, seed in enumerate(wanted):
            earlier: dict[str, Study] = {}
            for name in _order(every, turn):
                method = every[name]
                own = method(seed, earlier) if callable(method) else method
                if say is not None:
                    say(f"{name}, seed {seed} ({turn + 1} of {len(wanted)}) ...")
                earlier[name] = _run(
                    build, data, path, name, seed, _fitted({**common, **own}, space)
                )
                space = space or earlier[name].space
    comparison = Comparison.open(path)
    comparison.save()
    return comparison


def _check_options(options: Mapping[str, Any], say: object) -> None:
    """Refuses arguments that methods differ in, and a ``say`` that is not a function."""
    for name, instead in _INSTEAD.items():
        if name in options:
            raise InvalidInput(
                f"{name} was given to compare",
                expected=f"{instead}, since methods are to be compared",
            )
    if say is not None and not callable(say):
        raise InvalidInput(
            f"say is {shown(say)}", expected="a function of one text argument, or None"
        )


def _check(what: str, build: Any, data: Any, asked: Mapping[str, Any], place: Path) -> None:
    """Checks a method's arguments without running it; ``what`` begins the message.

    Raises:
        InvalidInput: an argument is invalid.
    """
    if place.exists():
        return  # it is resumed, and compared with the stored study then
    try:
        api.check(build, data, **asked, study=place)
    except InvalidInput as error:
        raise type(error)(what + error.passed, expected=error.expected, fix=error.fix) from None


def _methods(
    searches: Sequence[str], schedules: Sequence[str], methods: Mapping[str, Method] | None
) -> dict[str, Method]:
    """Every method by its name; those that depend on others are last."""
    for name, given, known in (
        ("searches", searches, strategy_names()),
        ("schedules", schedules, ("auto", *schedule_names())),
    ):
        if not isinstance(given, list | tuple):
            example = [given] if isinstance(given, str) else list(known)[:2]
            raise InvalidInput(
                f"{name} is {shown(given)}", expected=f"a list of names, such as {example}"
            )
        for one in given:
            known_name(f"one of {name}", one, known)
    found: dict[str, Method] = {}
    for search in searches:
        for schedule in schedules:
            name = search if len(schedules) == 1 else f"{search}/{schedule}"
            found[name] = {"search": search, "schedule": schedule}
    own = {} if methods is None else checks.mapping("methods", methods)
    for name, method in own.items():
        if not callable(method) and not isinstance(method, Mapping):
            expected = "arguments of tune as a dict, or a function that makes them"
            raise InvalidInput(f"methods gives {name!r} as {shown(method)}", expected=expected)
    found |= own
    if not found:
        raise InvalidInput(
            "nothing to compare was given",
            expected="searches=['random', 'bayes'], or methods={...}",
        )
    places = [str(place_of(Path(), name, 0)) for name in found]
    if len(set(places)) < len(places):
        raise InvalidInput(
            f"methods are {list(found)}", expected="names that differ in their letters and digits"
        )
    return dict(sorted(found.items(), key=lambda item: callable(item[1])))


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    also = " (how many), or a list of different ones"
    if not isinstance(seeds, list | tuple | range | np.ndarray) or np.ndim(seeds) == 0:
        return list(range(1, checks.whole_number("seeds", seeds, also=also) + 1))
    found = [checks.whole_number("one of seeds", seed, at_least=0) for seed in seeds]
    if not found or len(set(found)) < len(found):
        raise InvalidInput(
            f"seeds is {shown(seeds)}", expected=f"a whole number of at least 1{also}"
        )
    return found


def _order(methods: Mapping[str, Method], turn: int) -> list[str]:
    """The order of the methods, which changes with the seed: the first one compiles the programs.

    For the first seed grids come after the others, whose studies show how large a grid fits.
    """
    free = [name for name, method in methods.items() if not callable(method)]
    bound = [name for name, method in methods.items() if callable(method)]
    turned = free[turn % max(1, len(free)) :] + free[: turn % max(1, len(free))]
    if turn == 0:
        turned.sort(key=lambda name: _is_grid(methods[name]))
    return turned + bound


def _is_grid(method: Method) -> bool:
    return not callable(method) and method.get("search") == "grid"


def _fitted(asked: Mapping[str, Any], space: Space | None) -> dict[str, Any]:
    """Sets the size of a grid to the number of trials, once another study has shown the space."""
    if asked.get("search") != "grid" or asked["trials"] is None or space is None:
        return dict(asked)
    return {**asked, "search": Grid(_samples(space, asked["trials"]))}


def _samples(space: Space, trials: int) -> int:
    """Points of each continuous hyperparameter such that the grid fits into the trials."""
    return next(
        (samples for samples in range(_SAMPLES, 1, -1) if space.grid_size(samples) <= trials), 1
    )


def _run(
    build: Any, data: Any, path: Path, method: str, seed: int, asked: Mapping[str, Any]
) -> Study:
    """Runs or resumes one method with one seed, unless it is finished."""
    place = place_of(path, method, seed)
    left = dict(asked)
    if has_study(place):
        summary = read(place)
        if _is_done(summary, asked):
            return Study.open(place)
        if asked["budget"] is not None:
            left["budget"] = max(_LEAST_SECONDS, parse_seconds(asked["budget"]) - summary.seconds)
    with watched() as peak:
        study = api.tune(build, data, seed=seed, study=place, **left)
    key, before = f"{method}/{seed}", read_plan(path)["peak_bytes"]
    write_plan(path, [], [], {key: max(peak.num_bytes, before.get(key, 0))})
    return study


def _is_done(summary: Summary, asked: Mapping[str, Any]) -> bool:
    """Whether a study is finished, and no more trials are requested than before."""
    had, wanted = summary.record.settings.search.trials, asked["trials"]
    more = wanted is not None and had is not None and wanted > had
    return summary.state == "finished" and not more
