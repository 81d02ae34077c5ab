"""The report's panels as parts of the live page."""

from typing import Any

from paceline.report import Summary
from paceline.report.panels import panels


def content(summary: Summary) -> dict[str, Any]:
    """Panels and figures of the page by part name.

    ``panel/<name>`` has ``title`` and ``html``; ``figure/<name>`` has the figure's ``name``, its
    ``panel``, ``data`` and ``layout``.
    """
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
