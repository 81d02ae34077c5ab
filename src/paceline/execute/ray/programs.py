"""Compiled programs that travel between the nodes of a cluster.

JAX keeps compiled programs as files in a directory of the machine, one directory for each type of
processor. What an engine has compiled is copied to the engines of other machines of that type, so
that each program is compiled once.
"""

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Program = npt.NDArray[np.uint8]
"""The content of a file."""


class ProgramDirectory:
    """The directory of compiled programs of an engine.

    Attributes:
        processor: the type of processor, for which the programs are compiled.
        place: the machine and the directory.
    """

    def __init__(self) -> None:
        """Notes which programs are there already; imports JAX."""
        from paceline.train.cache_files import cache_directory
        from paceline.train.disk_cache import processor

        self.processor = processor()
        self._directory = cache_directory() / "xla" / self.processor
        self.place = f"{socket.gethostname()}:{self._directory}"
        self._known = self._names()

    def new(self) -> dict[str, Program]:
        """The programs that have been compiled since the last call, by the names of their files."""
        names = self._names() - self._known
        self._known |= names
        found = {}
        for name in sorted(names):
            with suppress(FileNotFoundError):  # it has been removed since
                found[name] = np.fromfile(self._directory / name, np.uint8)
        return found

    def keep(self, programs: Mapping[str, Program]) -> None:
        """Adds programs of another machine with the same type of processor."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for name, content in programs.items():
            path = self._directory / Path(name).name  # a name only, whatever was sent
            self._known.add(path.name)
            if not path.exists():
                partial = path.with_name(f"{path.name}.{os.getpid()}")
                partial.write_bytes(content.tobytes())
                partial.replace(path)

    def _names(self) -> set[str]:
        if not self._directory.is_dir():
            return set()
        return {entry.name for entry in os.scandir(self._directory) if _is_program(entry.name)}


def _is_program(name: str) -> bool:
    """Whether a file is a whole program, or names one; not one being written, nor a time of use."""
    from paceline.train.kept_executables import SUFFIX

    return name.endswith(("-cache", SUFFIX))


class ProgramReceiver(Protocol):
    """An engine that takes programs."""

    def keep_programs(self, programs: Mapping[str, Program]) -> None:
        """Sends it programs."""


class SharedPrograms:
    """Passes on programs between the engines of a study, which may call it from any thread."""

    def __init__(self) -> None:
        """There are no engines yet."""
        self._of_type: dict[str, dict[str, Program]] = {}
        self._engines: dict[ProgramReceiver, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def join(self, engine: ProgramReceiver, processor: str, place: str) -> None:
        """Adds an engine, and sends it what others have compiled."""
        with self._lock:
            self._engines[engine] = processor, place
            if known := self._of_type.get(processor):
                engine.keep_programs(known)

    def leave(self, engine: ProgramReceiver) -> None:
        """Removes an engine."""
        with self._lock:
            self._engines.pop(engine, None)

    def add(self, engine: ProgramReceiver, programs: Mapping[str, Program]) -> None:
        """Sends what an engine has compiled to those on other machines of its type."""
        with self._lock:
            processor, place = self._engines[engine]
            self._of_type.setdefault(processor, {}).update(programs)
            for other, (own, its_place) in self._engines.items():
                if own == processor and its_place != place:
                    other.keep_programs(programs)
