"""Current values that have an entry for each trial, stored in parts.

The entries of thousands of trials are hundreds of kilobytes, of which a step of the search changes
a few lines. So ``name`` has what is of no trial and the number of parts, ``name/0`` the entries of
trials 0 to 31, ``name/1`` those of the next, and only parts that have changed are written.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from paceline.core.events import Json

_SIZE = 32  # trials in a part
_COUNT = "parts"  # in the value ``name``; earlier versions stored all entries there, and no count

Read = Callable[[str], Json | None]
"""Returns a current value by name; None if there is none."""


def read(value: Read, name: str, field: str) -> Json | None:
    """The whole value, with all entries in ``field``; None if it was never stored.

    Raises:
        ValueError, TypeError: it has another form.
    """
    head = value(name)
    if not isinstance(head, Mapping) or _COUNT not in head:
        return head
    entries: dict[str, Json] = {}
    for part in names_of_parts(name, head):
        entries |= value(part) or {}
    return {**{key: one for key, one in head.items() if key != _COUNT}, field: entries}


def names_of_parts(name: str, head: Json | None) -> list[str]:
    """Names of the current values with the entries; ``head`` is the value ``name``."""
    count = head.get(_COUNT, 0) if isinstance(head, Mapping) else 0
    return [f"{name}/{part}" for part in range(int(count))]


class Parts:
    """The parts of a value: which of them have changed since they were stored."""

    def __init__(self, name: str, numbers: Iterable[int]) -> None:
        """All parts count as changed: an earlier version may have stored the entries.

        Args:
            name: of the value.
            numbers: the trials that have an entry.
        """
        self._name = name
        self._count = max(numbers, default=-1) // _SIZE + 1
        self.change_all()

    def change(self, number: int) -> None:
        """Marks that the entry of a trial was added, replaced or removed."""
        part = number // _SIZE
        self._changed.add(part)
        self._count = max(self._count, part + 1)

    def change_all(self) -> None:
        """Marks all parts, as when they could not be stored."""
        self._changed = set(range(self._count))

    def take(
        self, head: Mapping[str, Json], entries: Mapping[int, Any], dump: Callable[[Any], Json]
    ) -> dict[str, Json]:
        """The current values to store; the parts count as stored then.

        Args:
            head: what is of no trial.
            entries: by the number of the trial.
            dump: converts an entry to JSON types.
        """
        values: dict[str, Json] = {self._name: {**head, _COUNT: self._count}}
        for part in self._changed:
            numbers = range(part * _SIZE, (part + 1) * _SIZE)
            values[f"{self._name}/{part}"] = {
                str(number): dump(entries[number]) for number in numbers if number in entries
            }
        self._changed = set()
        return values
