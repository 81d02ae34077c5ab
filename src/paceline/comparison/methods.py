"""`compare`: several ways to search, on one task, with the same budget, on the same seeds."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paceline import api
from paceline.comparison.memory import watched
from paceline.comparison.result import Comparison, place_of, planned, read_plan, write_plan
from paceline.core import (
    InvalidInput,
    checks,
    known_name,
    knows_its_arguments,
    parse_seconds,
    shown,
)
from paceline.report import Study, Summary, read
from paceline.report.going_on import interruptible_runs
from paceline.schedule import schedule_names
from paceline.search import Grid, strategy_names
from paceline.space import Space
from paceline.store import has_study, study_directory
from paceline.study.asking import fresh_directory

Method = Mapping[str, Any] | Callable[[int, Mapping[str, Study]], Mapping[str, Any]]
"""Arguments of `paceline.tune`, or a function that makes them of the seed and of the studies before
with that seed.
"""

_SAMPLES = 10  # most points of a continuous hyperparameter in a grid
_LEAST_SECONDS = 1.0  # left of a time budget that is worth going on with


_INSTEAD = {"search": "searches", "schedule": "schedules", "seed": "seeds", "study": "directory"}
"""Arguments of `paceline.tune` that methods are compared in, and what `compare` has in their
place.
"""


@knows_its_arguments(*api.ARGUMENTS)
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
    """Runs several ways to search on one task with the same budget, and says which is ahead.

    Example::

        comparison = paceline.compare(
            build, "mnist", objective="val_accuracy", epochs=5, searches=["random", "grid", "bayes"],
            schedules=["full", "asha"], seeds=5, trials=30, directory="runs/compared",
        )
        comparison.sentences, comparison.results(), comparison.budgets(), comparison.differences()

    Each method has a study for each seed; with one seed all methods have the same data split, the
    same initial weights and the same test part, so they are compared seed by seed. Methods take
    turns within a seed, in another order for each seed. Called again with the same ``directory``,
    it goes on: nothing that was trained is trained again, and further searches, schedules, seeds or
    trials are added.

    Args:
        build, data: as in `paceline.tune`.
        searches: names of strategies, each with each of the ``schedules``. A grid has as many
            points for each continuous hyperparameter as fit into ``trials``, up to ten; where even
            the coarsest does not fit, it is tried in its order, the default first, and how much of
            it that was is said.
        schedules: names of schedules.
        methods: further ones by name: arguments of `paceline.tune` that are this method's own, such
            as ``{"search": paceline.search.optuna(...)}``; or a function of the seed and of this
            seed's studies so far, by method, that
            makes them: those come after all others.
        seeds: how many, from 1; or which.
        trials: of each run.
        budget: wall time of each run.
        directory: where everything is kept; None for a new one in the system's temporary folder.
        say: is told which run begins.
        **options: further arguments of `paceline.tune`, for all. Unless ``final`` is among them,
            there is no final: the model that the search put first is tested as it was trained.

    Returns:
        The comparison; it has been saved as ``comparison.csv`` and ``comparison.html`` in its
        directory.

    Raises:
        InvalidInput: anything that cannot be used.
        StudyMismatch: the directory holds a comparison of another task.
    """
    for name, instead in _INSTEAD.items():
        if name in options:
            raise InvalidInput(
                f"{name} was given to compare",
                expected=f"{instead}, since methods are to be compared",
            )
    if say is not None and not callable(say):
        raise InvalidInput(
            f"say is {shown(say)}", expected="a function that is told a text, or nothing"
        )
    path = fresh_directory() if directory is None else study_directory(directory, "directory")
    every, wanted = _methods(searches, schedules, methods), _seeds(seeds)
    common = {"final": False, **options, "trials": trials, "budget": budget}
    for name, method in every.items():
        if not callable(method):
            what = (
                f"methods gives {name!r} with " if methods is not None and name in methods else ""
            )
            _check(
                what,
                build,
                data,
                {**common, **method, "seed": wanted[0]},
                place_of(path, name, wanted[0]),
            )
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


def _check(what: str, build: Any, data: Any, asked: Mapping[str, Any], place: Path) -> None:
    """Makes sure that a method can be run, as far as that can be said without running it; ``what``
    begins a message.

    Raises:
        InvalidInput: it cannot.
    """
    if place.exists():
        return  # it was: whether it is still the same is compared when its turn comes
    try:
        api.check(build, data, **asked, study=place)
    except InvalidInput as error:
        raise type(error)(what + error.passed, expected=error.expected, fix=error.fix) from None


def _methods(
    searches: Sequence[str], schedules: Sequence[str], methods: Mapping[str, Method] | None
) -> dict[str, Method]:
    """Every method by its name, those that depend on others last."""
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
    """Who goes first changes with the seed: the first to meet a program pays for compiling it.

    In the first turn grids come after the others, whose studies say how large a grid fits.
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
    """A grid by name gets as many points as fit into the trials, where another study has shown the
    space.
    """
    if asked.get("search") != "grid" or asked["trials"] is None or space is None:
        return dict(asked)
    return {**asked, "search": Grid(_samples(space, asked["trials"]))}


def _samples(space: Space, trials: int) -> int:
    """Points of each continuous hyperparameter: the most with which the grid has no more points
    than trials.
    """
    return next(
        (samples for samples in range(_SAMPLES, 1, -1) if space.grid_size(samples) <= trials), 1
    )


def _run(
    build: Any, data: Any, path: Path, method: str, seed: int, asked: Mapping[str, Any]
) -> Study:
    """One method with one seed, unless that has been done."""
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
    """Whether a study has come to its end, and no more trials are asked for than it was to hold."""
    had, wanted = summary.record.settings.get("trials"), asked["trials"]
    more = wanted is not None and had is not None and wanted > had
    return summary.state == "finished" and not more
