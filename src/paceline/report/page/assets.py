"""Style sheet and script of the report and of the live page: files beside this module."""

from importlib.resources import files


def styles() -> str:
    """The style sheet, light or dark as the browser prefers."""
    return _read("styles.css")


def script() -> str:
    """The script that shows panels: ``paceline.show(section, {html, figures})``; needs Plotly.

    When a panel is updated, zoom, sorting of tables and open details stay as they are.
    """
    return _read("panels.js")


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
