"""The command and the call that repeat a study, as far as they can."""

from typing import Any

from paceline.core import InvalidInput
from paceline.report.show import Summary
from paceline.schedule import create
from paceline.search import strategy_names
from paceline.settings import reproduction


def command(summary: Summary) -> str | None:
    """The command; None where something came from memory, or has settings that no option has."""
    settings, space = summary.record.settings, summary.record.space
    if settings.search.search not in ("auto", *strategy_names()):
        return None
    return reproduction.command(settings, space, _name_of_standard(settings.search.schedule))


def python(summary: Summary) -> str:
    """The call in Python."""
    return reproduction.python(summary.record.settings, summary.record.space)


def _name_of_standard(schedule: Any) -> str:
    """The name of a schedule that its name alone makes; empty for others."""
    try:
        name = schedule["schedule"]
        return str(name) if dict(create(name).to_json()) == dict(schedule) else ""
    except (InvalidInput, KeyError, TypeError):
        return ""
