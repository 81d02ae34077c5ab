"""The parts of the page in the order in which they are read, of the report and of the live page."""

from paceline.report.page import answer, mattered, repeat, search, seconds, tested, trials, winner
from paceline.report.page.look import script, styles
from paceline.report.page.parts import Figure, Panel
from paceline.report.show import Summary

__all__ = ["Figure", "Panel", "panels", "script", "styles"]


def panels(summary: Summary) -> list[Panel]:
    """Every panel of a study, at any moment of its life; what cannot be said yet is said to be
    so.
    """
    if summary.record.created is None:
        return [answer.panel(summary)]
    return [
        part.panel(summary)
        for part in (answer, winner, search, mattered, seconds, trials, tested, repeat)
    ]
