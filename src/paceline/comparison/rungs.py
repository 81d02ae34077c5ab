"""`ladder`: the effect of training techniques, added one after the other.

A ladder is one study: each rung is a trial, trained with each seed.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from paceline import api
from paceline.comparison.claims import listed
from paceline.comparison.ladder_result import NAME, RUNG, Ladder, read_ladder
from paceline.core import InvalidInput, checks, shown, validates_argument_names
from paceline.report.continuation import interruptible_runs
from paceline.search import Given
from paceline.store import study_directory
from paceline.store.files import write_text
from paceline.study.plan.limits import fresh_directory

_FORMAT = 1
_OWN = ("build", "search", "trials", "repeats", "test_trials", "start_with", "prior", "learn_from")
"""Arguments of `paceline.tune` that a ladder sets itself."""


@validates_argument_names(*(name for name in api.ARGUMENTS if name not in _OWN))
def ladder(
    rungs: Mapping[str, Callable[[Any], Any]],
    data: Any,
    *,
    steps: Sequence[tuple[str, str]] | None = None,
    seeds: int = 5,
    objective: Any = None,
    study: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Ladder:
    """Measures the effect of techniques: trains each on several seeds, and tests the differences.

    Example::

        ladder = paceline.ladder(
            {"naive": naive, "he_normal": he_normal, "relu": relu}, "mnist", seeds=5, epochs=10
        )
        ladder.sentences, ladder.summary(), ladder.curves()

    Rungs are compared seed by seed: with one seed all of them have the same split into training and
    validation part. They are compared on the test set, which affects no decision. A call with an
    existing ``study`` resumes it.

    Args:
        rungs: ``build(hp)`` of each technique by its name; their hyperparameters have their
            defaults.
        data: as in `paceline.tune`.
        steps: which rungs to compare, as pairs of names (before, after); None to compare each with
            the previous one.
        seeds: how many; at least 2, as intervals need them.
        objective: as in `paceline.tune`; None for ``val_accuracy``, or ``val_loss`` for regression.
        study: directory in which everything is stored; None for a new one in the system's
            temporary folder.
        **options: further arguments of `paceline.tune`, such as ``epochs`` and ``batch_size``.

    Returns:
        The ladder; it is also written to ``ladder.csv`` and ``ladder.html`` in its directory.

    Raises:
        InvalidInput: an invalid argument.
        StudyMismatch: the directory contains another study.
    """
    names = _checked(rungs)
    seeds = checks.whole_number("seeds", seeds, at_least=2)
    wanted = _pairs(names, steps)
    directory = fresh_directory() if study is None else study_directory(study)
    if data is None:
        raise InvalidInput("data is None", expected="data in a form that paceline.tune accepts")

    def build(hp: Any) -> Any:
        return rungs[hp.Choice(RUNG, names)](hp)

    asked = {
        "schedule": "full",
        "final": False,
        "refit": False,
        **options,
        "study": directory,
        "trials": len(names),
        "search": Given(tuple({RUNG: name} for name in names)),
        "repeats": seeds,
        "test_trials": True,
    }
    api.check(build, data, **asked, objective="val_loss" if objective is None else objective)
    if objective is None:
        data, objective = _usual(data, options)
    with interruptible_runs(directory):
        api.tune(build, data, objective=objective, **asked)
    write_text(
        directory / NAME, json.dumps({"format": _FORMAT, "rungs": names, "steps": wanted}, indent=1)
    )
    found = read_ladder(directory)
    found.save()
    return found


def _checked(rungs: Mapping[str, Callable[[Any], Any]]) -> list[str]:
    is_ladder = isinstance(rungs, Mapping) and len(rungs) >= 2
    if not is_ladder or not all(
        isinstance(name, str) and callable(rung) for name, rung in rungs.items()
    ):
        raise InvalidInput(
            f"rungs is {shown(rungs)}",
            expected="a dict of at least two functions build(hp), by their names",
        )
    return list(rungs)


def _pairs(names: Sequence[str], steps: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """The steps of a ladder that are tested: those given, or from each rung to the next."""
    if steps is None:
        return list(pairwise(names))
    is_listed = isinstance(steps, list | tuple)
    pairs_of = (
        [tuple(step) if isinstance(step, list | tuple) else () for step in steps]
        if is_listed
        else [()]
    )
    if not all(
        len(pair) == 2 and pair[0] != pair[1] and all(one in names for one in pair)
        for pair in pairs_of
    ):
        raise InvalidInput(
            f"steps is {shown(steps)}", expected=f"pairs of different rungs among {listed(names)}"
        )
    return [(before, after) for before, after in pairs_of]


def _usual(data: Any, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The loaded data, and their usual objective."""
    from paceline.data import load

    known = ("target", "data_dir", "test", "sample_weight", "groups", "task", "seed")
    found = load(data, **{name: options[name] for name in known if options.get(name) is not None})
    return found, "val_accuracy" if getattr(found, "task", None) == "classification" else "val_loss"
