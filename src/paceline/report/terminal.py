"""Consoles that escape control characters in names, values and errors."""

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from paceline.core.texts import on_one_line, printable

_WIDTH = 120  # of output that goes to a file


class SafeConsole(Console):
    """A rich console that escapes control characters in all text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Renders text: lines, cells and headings of tables."""
        return super().render_str(printable(text), **options)


def console(stream: TextIO | None = None) -> Console:
    """A console, by default on standard output; wide enough for tables outside of a terminal."""
    out = sys.stdout if stream is None else stream
    plain = SafeConsole(file=out, highlight=False, soft_wrap=False)
    if plain.is_terminal:
        return plain
    return SafeConsole(file=out, highlight=False, width=max(_WIDTH, plain.width))


def say(to: Console, line: str) -> None:
    """Prints one line with new lines escaped; the terminal wraps it."""
    to.print(on_one_line(line), markup=False, soft_wrap=True)
