"""Checks of names and argument names, with suggestions for misspelt ones."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from paceline.core.errors import InvalidInput, shown

P = ParamSpec("P")
R = TypeVar("R")

_NAMES_ELSEWHERE = {
    "hypermodel": "build",
    "model": "build",
    "network": "build",
    "max_trials": "trials",
    "n_trials": "trials",
    "num_samples": "trials",
    "num_trials": "trials",
    "max_evals": "trials",
    "n_iter": "trials",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "directory": "study",
    "project_name": "study",
    "overwrite": "study",
    "storage": "study",
    "study_name": "study",
    "executions_per_trial": "repeats",
    "cv": "folds",
    "test_data": "test",
    "test_size": "test",
    "label": "target",
    "target_column": "target",
    "random_state": "seed",
    "validation_split": "validation",
    "validation_data": "validation",
    "x": "data",
    "y": "data",
    "verbose": "display",
    "timeout": "budget",
    "direction": "objective",
    "metric": "objective",
    "monitor": "objective",
    "scoring": "objective",
    "sampler": "search",
    "tuner": "search",
    "oracle": "search",
    "pruner": "schedule",
    "scheduler": "schedule",
    "n_jobs": "workers",
    "hyperparameters": "fixed",
}
"""Arguments of KerasTuner, Optuna, Keras, scikit-learn and others, and their names here."""

_INSTEAD = {
    "catch": "It is not needed: a trial that raises is recorded as failed, and the search "
    "continues.",
    "load_if_exists": "It is not needed: the same call with the same study resumes it.",
    "resume": "It is not needed: the same call with the same study resumes it.",
}
"""Arguments without a counterpart here, and what to do instead."""


def validates_argument_names(*options: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that refuses unknown keyword arguments and suggests the nearest known one.

    Keyword-only arguments passed by position raise a TypeError that names them.

    Args:
        options: names that the function accepts through ``**``; by default only the names in its
            signature are accepted.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = tuple(inspect.signature(function).parameters.values())
        names = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]

        @wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            _check_positions(function.__name__, parameters, args, given)
            for name in given:
                check_argument(function.__name__, name, dict.fromkeys((*names, *options)))
            return function(*args, **given)

        return call

    return decorate


def _check_positions(
    function: str,
    parameters: Iterable[inspect.Parameter],
    args: Sequence[object],
    given: Iterable[str],
) -> None:
    """Explains a call with too many arguments by position, where they could be passed by name."""
    by_position = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    extra = args[len(by_position) :]
    free = [
        one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name not in given
    ]
    if extra and len(extra) <= len(free):
        by_name = ", ".join(
            f"{name}={shown(value)}" for name, value in zip(free, extra, strict=False)
        )
        raise TypeError(
            f"{function} takes {' and '.join(by_position)} by position, and {len(args)} arguments "
            f"were given; pass {by_name} by name."
        )


def check_argument(function: str, name: str, known: Iterable[str]) -> None:
    """Raises if a function has no argument of this name.

    Args:
        function: the function's name.
        name: of the argument.
        known: the names of all its arguments.

    Raises:
        InvalidInput: unknown name; suggests the nearest one, or what to do instead.
    """
    known = list(known)
    if name in known:
        return
    meant = counterpart(name)
    fix = (
        f"Did you mean {meant!r}?"
        if meant in known
        else _INSTEAD.get(name) or did_you_mean(name, known, 0.75)
    )
    passed, every = f"{name} was given to {function}", ", ".join(known)
    if fix:  # before the list, which is long
        raise InvalidInput(
            passed,
            expected="one of its arguments",
            fix=f"{fix} The arguments of {function}: {every}.",
        )
    raise InvalidInput(passed, expected=f"one of {every}")


def counterpart(name: str) -> str | None:
    """The name of an argument here that another library calls so; None if there is none."""
    return _NAMES_ELSEWHERE.get(name)


def did_you_mean(name: object, known: Iterable[str], like: float = 0.6) -> str:
    """``"Did you mean 'digits'?"`` if a known name is at least ``like`` similar, else ``""``."""
    found = closest(name, known, like)
    return "" if found is None else f"Did you mean {found!r}?"


def closest(name: object, known: Iterable[str], like: float = 0.6) -> str | None:
    """The known name most similar to this one, ignoring case; None if none reaches ``like``."""
    plain: dict[str, str] = {}
    for known_spelling in known:
        plain.setdefault(known_spelling.casefold(), known_spelling)
    close = difflib.get_close_matches(str(name).casefold(), list(plain), n=1, cutoff=like)
    return plain[close[0]] if close else None


def known_name(what: str, name: object, known: Iterable[str], *also: str) -> str:
    """The known name that was typed, ignoring case and surrounding spaces.

    Args:
        what: what the name denotes: ``"schedule"``.
        name: as it was passed.
        known: the accepted names.
        also: names that are handled elsewhere, for the message.

    Raises:
        InvalidInput: not a known name.
    """
    known = list(known)
    cleaned = name.strip().lower() if isinstance(name, str) else ""
    if cleaned not in known:
        every = ", ".join(map(repr, (*also, *known)))
        raise InvalidInput(
            f"{what} is {shown(name)}", expected=f"one of {every}", fix=did_you_mean(cleaned, known)
        )
    return cleaned
