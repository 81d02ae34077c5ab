"""Texts from elsewhere, such as names of columns and messages of errors, made safe to show on a
terminal.
"""

import re

# Control characters (a terminal obeys escape sequences: they clear lines, set its title, write to
# its clipboard), line and paragraph separators, characters that turn the direction of writing,
# others that show nothing, halves of a pair.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NEWLINES = re.compile("[\t\n]")


def printable(text: str) -> str:
    """``text`` with every character that a terminal obeys written out, such as ``\\x1b``; new lines
    and tabs stay.
    """
    return _UNSAFE.sub(_written_out, text)


def on_one_line(text: str) -> str:
    """As `printable`, with new lines and tabs written out too: a name cannot look like a line of
    its own.
    """
    return _NEWLINES.sub(_written_out, printable(text))


def _written_out(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
