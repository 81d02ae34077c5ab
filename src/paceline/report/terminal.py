"""Consoles on which nothing that came from elsewhere, be it a name or an error, can control the
terminal.
"""

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from paceline.core.texts import on_one_line, printable

_WIDTH = 120  # of output that goes to a file


class SafeConsole(Console):
    """A rich console that writes out control characters of every text that it is given."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as rich renders it: lines, cells and headings of tables all come through
        here.
        """
        return super().render_str(printable(text), **options)


def console(stream: TextIO | None = None) -> Console:
    """Where text is printed, standard output by default; wide enough for tables where it is not a
    terminal.
    """
    out = sys.stdout if stream is None else stream
    plain = SafeConsole(file=out, highlight=False, soft_wrap=False)
    if plain.is_terminal:
        return plain
    return SafeConsole(file=out, highlight=False, width=max(_WIDTH, plain.width))


def say(to: Console, line: str) -> None:
    """Prints one line, whatever is in it; the terminal wraps it."""
    to.print(on_one_line(line), markup=False, soft_wrap=True)
