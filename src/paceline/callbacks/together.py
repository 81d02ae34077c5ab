"""The callbacks of a call: those that its user passed, then Paceline's own."""

from collections.abc import Iterable
from typing import Literal

from paceline.callbacks.display import LOADING, display_callbacks
from paceline.callbacks.interface import Callback, Callbacks
from paceline.callbacks.named import resolved
from paceline.callbacks.report_writer import ReportWriter


def callbacks_of(
    given: Iterable[Callback | str] = (),
    display: Literal["auto"] | bool = "auto",
    *,
    opening: str = LOADING,
) -> Callbacks:
    """The callbacks of one call, in the order in which they are called.

    Args:
        given: what the user passed: callbacks, and names of registered classes.
        display: as in `display_callbacks`.
        opening: what the display shows before the study begins.

    Returns:
        A context manager, and an observer for `paceline.study.carry_out`.

    Raises:
        InvalidInput: something was passed that is neither.
    """
    shown = display_callbacks(display, opening=opening)
    return Callbacks([*resolved(given), *shown, ReportWriter()])
