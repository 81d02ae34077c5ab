"""Names that users type: which known one is meant."""

import difflib
from collections.abc import Iterable

from paceline.core.errors import InvalidInput, shown


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``"Did you mean 'digits'?"`` where a known name is like this one; else nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def known_name(what: str, name: object, known: Iterable[str], *also: str) -> str:
    """The known name that was typed, whatever its case and the spaces around it.

    Args:
        what: what the name is of: ``"schedule"``.
        name: as it was passed.
        known: the names that there are.
        also: names that are taken care of elsewhere, for the message.

    Raises:
        InvalidInput: it is none of them.
    """
    known = list(known)
    cleaned = name.strip().lower() if isinstance(name, str) else ""
    if cleaned not in known:
        every = ", ".join(map(repr, (*also, *known)))
        raise InvalidInput(f"{what} is {shown(name)}", expected=f"one of {every}", fix=did_you_mean(cleaned, known))
    return cleaned
