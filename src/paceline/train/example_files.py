"""Keeps the constants of traced networks on disk, for other studies on this machine.

What they show of a structure is worked out anew from them, see `paceline.train.known_constants`,
and is used only after a network of this session was traced and agrees. So an old or wrong file
costs a trace, as if there was none.

A file is named by a hash of the structure and of what a trace may depend on besides: versions,
platform, type of processor, and the sources of this package, which change with each version of
Paceline. It is JSON; floats are written as their bytes, in hexadecimal.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from paceline.train.cache_files import cache_directory, prune, write_text
from paceline.train.disk_cache import processor
from paceline.train.environment import environment
from paceline.train.known_constants import Example, Floats

_MAX_FILES = 1000  # of a few kilobytes each
_MAX_BYTES = 2**20
_MAX_EXAMPLES = 16  # a structure that needs more changes in many ways


@dataclass(frozen=True, slots=True)
class KeptStructure:
    """The stored knowledge of a structure.

    Attributes:
        program: the program of its networks.
        names: of the numbers of their configurations.
        examples: networks that were traced, see `KnownConstants.examples`.
        follows_sizes: whether a comparison has shown that the steps of some network follow from its
            sizes.
    """

    program: str
    names: tuple[str, ...]
    examples: Sequence[Example]
    follows_sizes: bool = False


@dataclass(frozen=True, slots=True)
class ExampleFiles:
    """A directory with a file for each structure.

    Attributes:
        directory: the directory; it need not exist.
    """

    directory: Path

    @classmethod
    def of_machine(cls) -> Self:
        """Those in the user's cache directory; removes the least recently used of too many."""
        files = cls(cache_directory() / "structures" / processor())
        prune(files.directory, _MAX_FILES)
        return files

    def read(
        self, structure: Hashable, program: str, names: tuple[str, ...]
    ) -> KeptStructure | None:
        """The stored knowledge of a structure; None if there is no file, or none that can be used.

        Args:
            structure: what the networks have in common; its ``repr`` must be the same in each
                process.
            program: the program of these networks.
            names: of the numbers of their configurations.
        """
        path = self._path(structure)
        try:
            if path.stat().st_size > _MAX_BYTES:
                return None
            stored = json.loads(path.read_text("utf-8"))
            if (stored["program"], stored["names"]) != (program, list(names)):
                return None
            examples = [Example(*map(_floats, pair)) for pair in stored["networks"]]
            kept = KeptStructure(program, names, examples, stored["follows_sizes"] is True)
            os.utime(path)  # so that it is pruned last
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None
        is_whole = all(len(one.numbers) == len(names) for one in examples)
        return kept if examples and is_whole else None

    def write(self, structure: Hashable, kept: KeptStructure) -> None:
        """Replaces what is kept of a structure; without examples, or with too many, nothing is.

        A file that cannot be written or removed is not an error.
        """
        path = self._path(structure)
        networks = [[one.numbers, one.constants] for one in kept.examples]
        texts = [[array.astype("<f8").tobytes().hex() for array in pair] for pair in networks]
        stored = {
            "program": kept.program,
            "names": kept.names,
            "follows_sizes": kept.follows_sizes,
            "networks": texts,
        }
        with contextlib.suppress(OSError):
            if 0 < len(kept.examples) <= _MAX_EXAMPLES:
                write_text(path, json.dumps(stored))
            else:
                path.unlink(missing_ok=True)

    def _path(self, structure: Hashable) -> Path:
        text = repr((environment(), structure))
        return self.directory / f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.json"


def _floats(text: str) -> Floats:
    return np.frombuffer(bytes.fromhex(text), "<f8").astype(np.float64)
