"""Names that users type: which known one is meant."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from paceline.core.errors import InvalidInput, shown

P = ParamSpec("P")
R = TypeVar("R")

_ELSEWHERE = {
    "hypermodel": "build",
    "max_trials": "trials",
    "n_trials": "trials",
    "num_samples": "trials",
    "max_epochs": "epochs",
    "directory": "study",
    "project_name": "study",
    "overwrite": "study",
    "storage": "study",
    "study_name": "study",
    "executions_per_trial": "repeats",
    "cv": "folds",
    "validation_split": "validation",
    "validation_data": "validation",
    "x": "data",
    "y": "data",
    "verbose": "display",
    "timeout": "budget",
    "direction": "objective",
    "metric": "objective",
    "sampler": "search",
    "tuner": "search",
    "oracle": "search",
    "pruner": "schedule",
    "scheduler": "schedule",
    "n_jobs": "workers",
    "hyperparameters": "fixed",
}
"""What KerasTuner, Optuna and Keras call an argument, and what it is called here."""

_INSTEAD = {
    "callbacks": "There are no callbacks: patience=5 ends a training that does not improve, "
    "keep='best' takes its best "
    "epoch, and what belongs to the model is part of what build(hp) returns.",
    "catch": "There is no need of it: a trial that raises is recorded as failed, and the search "
    "goes on.",
    "load_if_exists": "There is no need of it: the same call with the same study goes on with it.",
    "resume": "There is no need of it: the same call with the same study goes on with it.",
}
"""What has no counterpart here, and what to do instead."""


def knows_its_arguments(*options: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: unknown keyword arguments are refused with the one that was probably meant.

    What is passed by position and has to be passed by name is a TypeError that says by which.

    Args:
        options: names that the function takes by ``**``; without any, all that its signature does
            not have are refused.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = tuple(inspect.signature(function).parameters.values())
        names = [
            one.name for one in parameters if one.kind is not one.VAR_KEYWORD and one.name[0] != "_"
        ]

        @wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            _check_positions(function.__name__, parameters, args, given)
            for name in given:
                if name[0] != "_":
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
            f"were given so; "
            f"pass {by_name} by name."
        )


def check_argument(function: str, name: str, known: Iterable[str]) -> None:
    """Makes sure that a function has an argument of this name.

    Args:
        function: what it is called.
        name: of the argument.
        known: the names of all that there are.

    Raises:
        InvalidInput: it has none; says which one was probably meant, or what to do instead.
    """
    known = list(known)
    if name in known:
        return
    meant = _ELSEWHERE.get(name)
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


def did_you_mean(name: object, known: Iterable[str], like: float = 0.6) -> str:
    """``"Did you mean 'digits'?"`` where a known name is at least so much ``like`` this one, 0 to
    1; else nothing.
    """
    found = closest(name, known, like)
    return "" if found is None else f"Did you mean {found!r}?"


def closest(name: object, known: Iterable[str], like: float = 0.6) -> str | None:
    """The known name that is most like this one, upper and lower case being alike; None where none
    is ``like`` it.
    """
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(one.casefold(), one)
    close = difflib.get_close_matches(str(name).casefold(), list(plain), n=1, cutoff=like)
    return plain[close[0]] if close else None


def known_name(what: str, name: object, known: Iterable[str], *also: str) -> str:
    """The known name that was typed, whatever its case and the spaces around it.

    Args:
        what: what the name is of: ``"schedule"``.
        name: as it was passed.
        known: the names that there are.
        also: names that are taken care of elsewhere, for the message.

    Raises:
        InvalidInput: it is none of them.
    """
    known = list(known)
    cleaned = name.strip().lower() if isinstance(name, str) else ""
    if cleaned not in known:
        every = ", ".join(map(repr, (*also, *known)))
        raise InvalidInput(
            f"{what} is {shown(name)}", expected=f"one of {every}", fix=did_you_mean(cleaned, known)
        )
    return cleaned
