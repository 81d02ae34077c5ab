"""The panels of the report and of the live page: Paceline's own and those of others.

A panel is a function of the study's summary that returns a title and HTML, or None where it has
nothing to say::

    from paceline.report.panels import paragraph, register, report_panel

    @register
    @report_panel("longest", after="trials")
    def longest(summary):
        seconds = max((trial.seconds for trial in summary.record.all_trials()), default=0.0)
        return "The longest trial", paragraph(f"It took {seconds:.0f} s.")

The functions of this module that make HTML escape what they are given: names and values in a study
come from its users. The panels of installed packages are found by their entry points, in the group
``paceline.panels``; each is a function with the decorator `report_panel`.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import update_wrapper

from paceline.core import Registry
from paceline.core.logs import logger
from paceline.report.page import (
    answer,
    how_to_repeat,
    mattered,
    search_course,
    seconds,
    tested,
    trials,
    winner,
    workers,
)
from paceline.report.page.assets import script, styles
from paceline.report.page.parts import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    Cell,
    Figure,
    Panel,
    axis,
    details,
    facts,
    figure,
    label,
    paragraph,
    table,
    text,
)
from paceline.report.show import Summary

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "PURPLE",
    "VERMILLION",
    "Cell",
    "Figure",
    "Panel",
    "ReportPanel",
    "Summary",
    "axis",
    "details",
    "facts",
    "figure",
    "find",
    "label",
    "panel_names",
    "panels",
    "paragraph",
    "register",
    "report_panel",
    "script",
    "styles",
    "table",
    "text",
]

Drawing = Callable[[Summary], Panel | tuple[str, str] | None]
"""Draws a panel: its title and HTML; or a `Panel`, which can have figures; or None for nothing."""

_LOG = logger("report")


class ReportPanel:
    """A panel of the report, as `report_panel` makes it.

    Attributes:
        name: unique among all panels; lower-case letters, digits, ``_`` and ``-``.
        after: the name of the panel after which it is shown; empty for the end.
    """

    def __init__(self, draw: Drawing, name: str, after: str = "") -> None:
        update_wrapper(self, draw)
        self._draw, self.name, self.after = draw, name, after

    def __call__(self, summary: Summary) -> Panel | None:
        """Draws it; None where it has nothing to say.

        Raises:
            TypeError: what was drawn is neither a panel nor a title and HTML.
        """
        drawn = self._draw(summary)
        if drawn is None:
            return None
        panel = Panel(self.name, *drawn) if isinstance(drawn, tuple) else drawn
        if not (isinstance(panel, Panel) and isinstance(panel.html, str)):
            raise TypeError(f"a panel or (title, HTML) was expected, and {drawn!r:.100} returned")
        return replace(panel, name=self.name, title=str(panel.title))


def report_panel(name: str, *, after: str = "") -> Callable[[Drawing], ReportPanel]:
    """A decorator that makes a panel of a function of the study's `Summary`.

    Args:
        name: unique among all panels; lower-case letters, digits, ``_`` and ``-``.
        after: the name of the panel after which it is to be shown: one of `panel_names`; empty, or
            one that there is not, for the end.
    """
    return lambda draw: ReportPanel(draw, name, after)


PANELS: Registry[ReportPanel] = Registry(
    "panel",
    "panel",
    "paceline.panels",
    "paceline.report.panels",
    "a function with the decorator paceline.report.panels.report_panel",
    lambda item: isinstance(item, ReportPanel),
)
"""The panels by their names."""

register = PANELS.register
panel_names = PANELS.names
find = PANELS.get

_OWN = {
    "answer": answer.panel,
    "winner": winner.panel,
    "search": search_course.panel,
    "mattered": mattered.panel,
    "seconds": seconds.panel,
    "workers": workers.panel,
    "trials": trials.panel,
    "tested": tested.panel,
    "repeat": how_to_repeat.panel,
}
for _name, _draw in _OWN.items():
    register(ReportPanel(_draw, _name))


def panels(summary: Summary) -> list[Panel]:
    """Every panel of a study, in the order in which they are shown.

    A panel that cannot be drawn is shown with the reason: that is no reason to lose the others.
    """
    if summary.record.created is None:
        return [answer.panel(summary)]
    shown: list[Panel] = []
    for name in _in_order():
        panel = _drawn(name, summary, shown)
        if panel is not None:
            shown.append(panel)
    return shown


def _in_order() -> list[str]:
    """Paceline's own panels in their order, each followed by those that are to come after it."""
    places: dict[str, list[str]] = {}
    for name in dict.fromkeys((*PANELS.registered, *panel_names())):
        if name not in _OWN:
            places.setdefault(_place_of(name), []).append(name)
    ordered: list[str] = []
    waiting = list(reversed(_OWN))
    while waiting:
        ordered.append(waiting.pop())
        waiting += reversed(places.pop(ordered[-1], []))
    return [*ordered, *(name for names in places.values() for name in names)]


def _place_of(name: str) -> str:
    try:
        found = PANELS.find(name)
    except Exception:  # it is shown with the reason
        return ""
    return "" if found is None else found.after


def _drawn(name: str, summary: Summary, shown: list[Panel]) -> Panel | None:
    """A panel, or why there is none."""
    try:
        panel = PANELS.get(name)(summary)
        if panel is not None and name not in _OWN:
            _check(panel, shown)
    except Exception as error:  # a panel of somebody else may raise anything
        _LOG.error("the panel %r cannot be drawn: %r", name, error, exc_info=error)
        return Panel(name, name, paragraph(f"This panel cannot be drawn ({_error_text(error)})."))
    return panel


def _check(panel: Panel, shown: list[Panel]) -> None:
    """Makes sure that a panel does no harm to the page: its figures go to JSON under own names."""
    taken = {one.name for other in shown for one in other.figures}
    for one in panel.figures:
        if one.name in taken or not one.name.startswith(panel.name):
            raise ValueError(
                f"a figure is called {one.name!r}; expected a name of its own that begins with "
                f"{panel.name!r}"
            )
        taken.add(one.name)
        json.dumps(dict(one.plotly), allow_nan=False)


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")
