"""The page's content in parts with versions, so that nothing is sent twice."""

import gzip
import json
import secrets
from collections.abc import Mapping
from typing import Any

_MOST_DIGITS = 12  # of a version count, so that parsing it takes no time
_MOST_PACKED = 16  # cached responses: readers are rarely more than a few versions apart


class VersionedParts:
    """The parts of the page by name, each with the version at which it last changed.

    A version is ``"<server>-<count>"``; each server process has its own prefix, so that a page that
    finds another server at the same address requests everything.
    """

    def __init__(self) -> None:
        """Empty: version 0."""
        self._life, self._count = secrets.token_hex(4), 0
        self._parts: dict[str, tuple[int, str]] = {}
        self._packed: dict[int, bytes] = {}

    @property
    def version(self) -> str:
        """The current version."""
        return f"{self._life}-{self._count}"

    def update(self, texts: Mapping[str, str]) -> bool:
        """Replaces all parts (JSON by name); returns whether anything changed."""
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
        """The parts that changed after a version, or all: gzip JSON of ``version, parts, names``.

        All readers with the same version get the same bytes.
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
    """VersionedParts as JSON texts."""
    return {
        name: json.dumps(part, allow_nan=False, separators=(",", ":"))
        for name, part in parts.items()
    }
