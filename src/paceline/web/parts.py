"""What the page shows, in parts that have versions, so that nothing is sent twice."""

import gzip
import json
import secrets
from collections.abc import Mapping
from typing import Any

_MOST_DIGITS = 12  # of a count, so that reading one takes no time
_MOST_PACKED = 16  # answers that are kept: readers are seldom more than a few versions apart


class Parts:
    """The parts of the page by name, each with the version at which it last changed.

    A version is ``"<life>-<count>"``; each server has a life of its own, so that a page which meets
    another server at the same address asks for everything.
    """

    def __init__(self) -> None:
        """Nothing is shown yet: version 0."""
        self._life, self._count = secrets.token_hex(4), 0
        self._parts: dict[str, tuple[int, str]] = {}
        self._packed: dict[int, bytes] = {}

    @property
    def version(self) -> str:
        """Of what is shown now."""
        return f"{self._life}-{self._count}"

    def update(self, texts: Mapping[str, str]) -> bool:
        """Shows these parts, JSON by name, and no others; whether that is a change."""
        known = {name: text for name, (_, text) in self._parts.items()}
        if texts == known:
            return False
        self._count += 1
        self._parts = {
            name: self._parts[name] if known.get(name) == text else (self._count, text)
            for name, text in texts.items()
        }
        self._packed = {}
        return True

    def since(self, version: str) -> bytes:
        """What changed after a version, or everything: a JSON object in gzip with ``version``,
        ``parts`` and ``names``.

        All readers who saw the same version get the same bytes.
        """
        life, _, count = version.partition("-")
        is_ours = (
            life == self._life
            and count.isascii()
            and count.isdigit()
            and len(count) <= _MOST_DIGITS
        )
        after = min(int(count), self._count) if is_ours else 0
        if after not in self._packed:
            if len(self._packed) >= _MOST_PACKED:
                self._packed.clear()
            changed = ",".join(
                f"{json.dumps(n)}:{text}" for n, (at, text) in self._parts.items() if at > after
            )
            names = json.dumps(list(self._parts))
            body = f'{{"version":{json.dumps(self.version)},"names":{names},"parts":{{{changed}}}}}'
            self._packed[after] = gzip.compress(body.encode(), compresslevel=4, mtime=0)
        return self._packed[after]


def as_texts(parts: Mapping[str, Any]) -> dict[str, str]:
    """Parts of plain JSON types as JSON."""
    return {
        name: json.dumps(part, allow_nan=False, separators=(",", ":"))
        for name, part in parts.items()
    }
