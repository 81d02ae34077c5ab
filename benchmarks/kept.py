"""What was found before: of benchmarks in which nothing is timed but processors, so that a long one
can be made in pieces.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.measure import ask

_PIECE = 5  # seeds that are asked for at once, and lost if they are interrupted
_ROOMS = ("core", "space", "search", "schedule", "train", "execute", "study", "store")
_reused: list[int] = []


def num_reused() -> int:
    """How many runs this process found kept, and did not make again."""
    return sum(_reused)


def runs(
    environment: str, module: str, request: Mapping[str, Any], seeds: Sequence[int]
) -> list[Any]:
    """What a program finds with each seed; it is asked only for those that it was not asked for
    before.

    Args:
        environment, module, request: as `benchmarks.measure.ask` has them. The program is also
            given ``seeds``, and answers ``runs``, one for each.
        seeds: of all random numbers.
    """
    place = _place(environment, module, request)
    kept: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}
    missing = [seed for seed in seeds if str(seed) not in kept]
    _reused.append(len(seeds) - len(missing))
    for first in range(0, len(missing), _PIECE):
        piece = missing[first : first + _PIECE]
        found = ask(environment, module, {**request, "seeds": piece}, minutes=120)["runs"]
        kept |= {str(seed): run for seed, run in zip(piece, found, strict=True)}
        _write(place, kept)
    return [kept[str(seed)] for seed in seeds]


def answer(
    name: str, environment: str, sources: Sequence[Path], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What one run finds; it is made only if it was not made before.

    Args:
        name: of the run.
        environment: in which it runs.
        sources: the files that it runs, beside those of Paceline. A run with other files, another
            version of the peer, or another Paceline is another one.
        make: makes it.
    """
    texts = [path.read_bytes() for path in sources]
    if environment == environments.OURS:
        ours = environments.ROOT / "src" / "paceline"
        texts += [path.read_bytes() for path in sorted(ours.rglob("*.py"))]
    place = _folder() / f"{name}-{environment}-{_hash(environment, texts)}.json"
    is_kept = place.exists()
    _reused.append(int(is_kept))
    if not is_kept:
        _write(place, make())
    found: dict[str, Any] = json.loads(place.read_text())
    return found


def _write(place: Path, kept: Mapping[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(json.dumps(kept))
    fresh.replace(place)


def _place(environment: str, module: str, request: Mapping[str, Any]) -> Path:
    """Where a program's runs are kept; not found again once its code, or the peer's version, is
    another.
    """
    asked = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{module.removeprefix('benchmarks.')}-{asked}-{_mark(environment, module)}.json"
    return _folder() / name


def _folder() -> Path:
    return environments.ROOT / ".venvs" / "kept"


@cache
def _mark(environment: str, module: str) -> str:
    """Hash of what a program's figures depend on."""
    texts = [path.read_bytes() for path in _sources(module)]
    if environment == environments.OURS:
        root = environments.ROOT / "src" / "paceline"
        texts += [
            path.read_bytes() for room in _ROOMS for path in sorted((root / room).rglob("*.py"))
        ]
    return _hash(environment, texts)


def _hash(environment: str, texts: Sequence[bytes]) -> str:
    """Hash of files, and of the versions in an environment."""
    is_ours = environment == environments.OURS
    versions = environments.versions if is_ours else environments.requirements
    stamp = json.dumps(versions(environment)).encode()
    return hashlib.sha256(b"".join([*texts, stamp])).hexdigest()[:10]


def _sources(module: str) -> Iterator[Path]:
    """The program, and what it imports of the benchmarks."""
    path = environments.ROOT / (module.replace(".", "/") + ".py")
    if not path.exists():  # a package, or a name within a module
        return
    yield path
    for package, names in re.findall(
        r"^from (benchmarks[.\w]*) import (.+)$", path.read_text(), re.MULTILINE
    ):
        for found in (package, *(f"{package}.{name.strip()}" for name in names.split(","))):
            yield from _sources(found)
