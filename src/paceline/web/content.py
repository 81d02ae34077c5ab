"""The panels of the report as parts of the live page."""

from typing import Any

from paceline.report import Summary
from paceline.report.panels import panels


def content(summary: Summary) -> dict[str, Any]:
    """For each panel ``panel/<name>`` with ``title`` and ``html``, and for each figure
    ``figure/<name>`` with its ``name``, its ``panel``, ``data`` and ``layout``."""
    parts: dict[str, Any] = {}
    for panel in panels(summary):
        parts[f"panel/{panel.name}"] = {"title": panel.title, "html": panel.html}
        for figure in panel.figures:
            parts[f"figure/{figure.name}"] = {
                "name": figure.name,
                "panel": panel.name,
                **figure.plotly,
            }
    return parts
