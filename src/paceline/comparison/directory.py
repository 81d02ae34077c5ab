"""The directory of a comparison: its list of runs, and where their studies are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from paceline.core import InvalidInput
from paceline.store.files import remove, write_text

NAME = "comparison.json"
_FORMAT = 1


@dataclass(frozen=True)
class _ComparisonFile:
    """Content of ``comparison.json``."""

    methods: list[str]
    seeds: list[int]
    peak_bytes: dict[str, int] = field(default_factory=dict)


_FILE = TypeAdapter(_ComparisonFile)


def place_of(directory: Path, method: str, seed: int) -> Path:
    """The directory of the study of a method and a seed."""
    plain = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in method)
    name = "-".join(part for part in plain.split("-") if part)
    return directory / (name.lstrip(".") or "method") / f"seed-{seed}"  # never ".."


def read_plan(directory: Path) -> dict[str, Any]:
    """Reads ``comparison.json``.

    Raises:
        InvalidInput: no comparison there.
    """
    try:
        return asdict(_FILE.validate_json((directory / NAME).read_bytes()))
    except (OSError, ValueError):
        raise InvalidInput(
            f"{directory} contains no comparison", expected=f"a directory with a {NAME}"
        ) from None


def write_plan(
    directory: Path, methods: Sequence[str], seeds: Sequence[int], peak_bytes: Mapping[str, int]
) -> dict[str, Any]:
    """Adds methods and seeds to ``comparison.json``; earlier ones are kept."""
    directory.mkdir(parents=True, exist_ok=True)
    before: dict[str, Any] = {"methods": [], "seeds": [], "peak_bytes": {}}
    if (directory / NAME).exists():
        before = read_plan(directory)
    plan = {
        "format": _FORMAT,
        "methods": list(dict.fromkeys([*before["methods"], *methods])),
        "seeds": sorted({*before["seeds"], *seeds}),
        "peak_bytes": {**before["peak_bytes"], **peak_bytes},
    }
    write_text(directory / NAME, json.dumps(plan, indent=1))
    return plan


@contextmanager
def planned(directory: Path, methods: Sequence[str], seeds: Sequence[int]) -> Iterator[None]:
    """Adds methods and seeds to ``comparison.json``; undone if the first run is refused."""
    path, is_new = directory / NAME, not directory.exists()
    before = path.read_text(encoding="utf-8") if path.exists() else None
    studies = set(directory.glob("*/seed-*"))
    write_plan(directory, methods, seeds, {})
    try:
        yield
    except InvalidInput:
        if set(directory.glob("*/seed-*")) == studies:
            if before is not None:
                write_text(path, before)
            else:
                remove(path)
            if is_new and not any(directory.iterdir()):
                directory.rmdir()
        raise
