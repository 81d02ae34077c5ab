"""How the page looks and what its script does: files beside this module, shared by report and live
page.
"""

from importlib.resources import files


def styles() -> str:
    """The style sheet: light or dark as the reader's machine has it."""
    return _read("styles.css")


def script() -> str:
    """The script that shows panels: ``paceline.show(section, {html, figures})``; wants Plotly to be
    there.

    Shown again with other contents, a panel keeps its figures' zoom, its tables' sorting and what
    is unfolded.
    """
    return _read("panels.js")


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
