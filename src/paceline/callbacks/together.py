"""The callbacks of a call: those that its user passed, then Paceline's own."""

from collections.abc import Iterable
from typing import Literal

from paceline.callbacks.display import LOADING, display_callbacks
from paceline.callbacks.interface import Callback, Callbacks
from paceline.callbacks.log import StudyLog
from paceline.callbacks.named import resolved
from paceline.callbacks.report_writer import ReportWriter
from paceline.core.logs import log_as_environment_says


def callbacks_of(
    given: Iterable[Callback | str] | None = (),
    display: Literal["auto"] | bool = "auto",
    *,
    opening: str = LOADING,
    report: bool = True,
) -> Callbacks:
    """The callbacks of one call, in the order in which they are called.

    Args:
        given: what the user passed: callbacks, and names of registered classes.
        display: as in `display_callbacks`.
        opening: what the display shows before the study begins.
        report: whether a report is written when the session ends.

    Returns:
        A context manager, and an observer for `paceline.study.carry_out`.

    Raises:
        InvalidInput: something was passed that is neither, or ``PACELINE_LOG`` cannot be used.
    """
    log_as_environment_says()
    shown = display_callbacks(display, opening=opening)
    return Callbacks([*resolved(given), StudyLog(), *shown, *([ReportWriter()] if report else [])])
