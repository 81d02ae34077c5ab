"""Escaping of control characters in foreign text, such as column names and error messages."""

import re

# Control characters (terminals execute escape sequences: they clear lines, set the title, write to
# the clipboard), line and paragraph separators, characters that change the writing direction, other
# invisible ones, unpaired surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NEWLINES = re.compile("[\t\n]")


def printable(text: str) -> str:
    """``text`` with control characters escaped, such as ``\\x1b``; new lines and tabs are kept."""
    return _UNSAFE.sub(_written_out, text)


def on_one_line(text: str) -> str:
    """As `printable`, with new lines and tabs escaped too: a name cannot imitate a line."""
    return _NEWLINES.sub(_written_out, printable(text))


def _written_out(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
