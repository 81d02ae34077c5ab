"""What the public functions share: a study is carried out with its callbacks."""

import time
from collections.abc import Iterable
from typing import Any, Literal

from paceline.callbacks import Callback, callbacks_of
from paceline.core import InvalidInput, checks
from paceline.report import Study
from paceline.report.going_on import interruptible
from paceline.study import Request, carry_out, make_plan
from paceline.study.plan.function_plan import FunctionTask

Show = Literal["auto"] | bool


def show_of(given: Any) -> Show:
    """What ``display`` means.

    Raises:
        InvalidInput: neither True, False nor ``"auto"``.
    """
    return (
        "auto"
        if isinstance(given, str) and given == "auto"
        else checks.flag("display", given, also=", or 'auto'")
    )


def refuse(when: str, expected: str, **options: tuple[Any, Any]) -> None:
    """Refuses options that mean nothing here; of each, what was given and what it is when left
    out.
    """
    for name, (value, default) in options.items():
        is_default = value is default or (isinstance(value, int | float | str) and value == default)
        if not is_default:
            raise InvalidInput(f"{name} was given {when}", expected=f"it {expected}")


def carried_out(
    task: FunctionTask | Request,
    display: Show,
    search: bool = True,
    callbacks: Iterable[Callback | str] = (),
) -> Study:
    """Carries out a study; without ``search`` what is left to do after it."""
    return (
        watched_function(task, display, search, callbacks)
        if isinstance(task, FunctionTask)
        else watched(task, display, search, callbacks)
    )


def watched_function(
    task: FunctionTask, display: Show, search: bool = True, callbacks: Iterable[Callback | str] = ()
) -> Study:
    """Carries out a study of a function; without ``search`` what is left to do after it."""
    opening = "Calling the function ..."
    with (
        interruptible(task.directory),
        callbacks_of(callbacks, display, opening=opening) as observer,
    ):
        record = carry_out(task, task.directory, observer, search=search)
    return Study(task.directory, record)


def watched(
    request: Request, display: Show, search: bool = True, callbacks: Iterable[Callback | str] = ()
) -> Study:
    """Carries out a study of networks on data; without ``search`` what is left to do after it."""
    began = time.monotonic()
    with interruptible(request.directory), callbacks_of(callbacks, display) as observer:
        plan = make_plan(request)
        record = carry_out(plan, request.directory, observer, began, search=search)
    return Study(request.directory, record, request)
