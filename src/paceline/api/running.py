"""What the public functions share: a study is carried out under a display, and reported at its
end.
"""

import time
import warnings
from pathlib import Path
from typing import Any, Literal

from paceline.core import InvalidInput, PacelineError, checks
from paceline.report import Study, read, watch
from paceline.report.document import write
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


def carried_out(task: FunctionTask | Request, display: Show, search: bool = True) -> Study:
    """Carries out a study; without ``search`` what is left to do after it."""
    return (
        watched_function(task, display, search)
        if isinstance(task, FunctionTask)
        else watched(task, display, search)
    )


def watched_function(task: FunctionTask, display: Show, search: bool = True) -> Study:
    """Carries out a study of a function; without ``search`` what is left to do after it."""
    limits, opening = task.budget, "Calling the function ..."
    with (
        interruptible(task.directory),
        watch(display, trials=limits.trials, seconds=limits.seconds, opening=opening) as observer,
    ):
        carry_out(task, task.directory, observer, search=search)
    return reported(task.directory)


def watched(request: Request, display: Show, search: bool = True) -> Study:
    """Carries out a study of networks on data; without ``search`` what is left to do after it."""
    began = time.monotonic()
    with (
        interruptible(request.directory),
        watch(display, trials=request.budget.trials, seconds=request.budget.seconds) as observer,
    ):
        carry_out(make_plan(request), request.directory, observer, began, search=search)
    return reported(request.directory, request)


def reported(directory: Path, request: Request | None = None) -> Study:
    """The study that just ended, its report written; that the report cannot be written is no
    failure of the study.
    """
    summary = read(directory)
    try:
        write(summary)
    except Exception as error:
        told = error if isinstance(error, PacelineError) else f"{type(error).__name__}: {error}"
        warnings.warn(
            f"The study in {directory} is complete, but its report was not written. {told}"
            f" To try again: paceline report {directory}",
            stacklevel=4,
        )
    return Study(summary.directory, summary.record, request)
