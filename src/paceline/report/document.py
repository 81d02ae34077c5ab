"""The report: one self-contained HTML file, which needs no network."""

import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from paceline.core import InvalidInput, PacelineError
from paceline.core.commands import study_name, url_of
from paceline.report.page.parts import text
from paceline.report.panels import Panel, panels, script, styles
from paceline.report.show import Summary, read
from paceline.store.files import write_text
from paceline.store.paths import REPORT

# nothing is loaded from elsewhere, and no script runs but those of the page
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{styles}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
<nav aria-label="Parts of the report"><ul>{links}</ul></nav>
</header>
<main>
{sections}
</main>
<footer><p>Written by Paceline {version}. This file is self-contained; it needs no network.</p>
<noscript><p>The figures need JavaScript; the rest does not.</p></noscript></footer>
<script>{plotly}</script>
<script>
{script}</script>
<script type="application/json" id="figures">{figures}</script>
<script>paceline.report(JSON.parse(document.getElementById("figures").textContent));</script>
</body>
</html>
"""


def write_report(
    directory: str | os.PathLike[str], path: str | os.PathLike[str] | None = None
) -> Path:
    """Writes a study's report, finished or not.

    Args:
        directory: of the study.
        path: the file to write; None for ``report.html`` in the study's directory.

    Returns:
        The file that was written.

    Raises:
        InvalidInput: there is no study, or the file cannot be written.
    """
    return write(read(directory), path)


def write(summary: Summary, path: str | os.PathLike[str] | None = None) -> Path:
    """Writes the report of a study that has been read; see `write_report`."""
    target = summary.directory / REPORT if path is None else Path(path)
    page = document(summary)
    try:
        if path is None and url_of(summary.directory):  # it may be on another machine
            target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, page)
    except (PacelineError, OSError) as error:
        reason = getattr(error.__cause__ or error, "strerror", None) or error
        raise InvalidInput(
            f"the report {target} cannot be written ({reason})",
            expected="a file in a folder that is there",
        ) from error
    return target


def document(summary: Summary) -> str:
    """The report as HTML."""
    return assemble(_title(summary), f"Study {study_name(summary.directory)}", panels(summary))


def assemble(title: str, subtitle: str, shown: Sequence[Panel]) -> str:
    """Panels as one HTML file."""
    from plotly.offline import get_plotlyjs

    return _PAGE.format(
        policy=_POLICY,
        title=text(title),
        subtitle=text(subtitle),
        styles=styles(),
        links="".join(
            f'<li><a href="#{text(one.name)}">{text(one.title)}</a></li>' for one in shown
        ),
        sections="\n".join(map(section, shown)),
        plotly=get_plotlyjs(),
        script=script(),
        figures=figures_json(shown),
        version=version("paceline"),
    )


def section(panel: Panel) -> str:
    """The HTML of a panel, as the page's script expects it."""
    name, title = text(panel.name), text(panel.title)
    heading = f'<h2 id="{name}-title">{title}</h2>'
    return (
        f'<section id="{name}" data-panel="{name}" aria-labelledby="{name}-title">{heading}\n'
        f'<div class="body">{panel.html}</div></section>'
    )


def figures_json(shown: Sequence[Panel]) -> str:
    """All figures by panel, as JSON for a script element: no text in it can end that element."""
    figures = {
        panel.name: [{"name": one.name, **one.plotly} for one in panel.figures] for panel in shown
    }
    body = json.dumps(figures, allow_nan=False, separators=(",", ":"))
    return body.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _title(summary: Summary) -> str:
    created = summary.record.created
    if created is None:
        return "A study that has not begun"
    return f"{summary.record.objective.metric} on {created.data.get('name', 'a function')}"
