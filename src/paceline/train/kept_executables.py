"""Finds the executables of a program in JAX's cache on disk without lowering it.

JAX's cache is keyed by the lowered program. Lowering takes some 0.07 s for each function of a small
network, in Python, also where the executable is there already. So beside its entries lie files that
name, for what decides a lowered program (see `paceline.train.program_digest`), the entries with its
executables. Such a file is JSON. It is used only if its own checksum and those of the entries are
right; any other counts as none, and is replaced.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from paceline.train.cache_files import prune, write_text
from paceline.train.jax_cache import entry_path, load_entry

_LOG = logging.getLogger("paceline.train")

SUFFIX = ".paceline.json"
"""Of the names of these files."""

_MAX_FILES = 4000
_MAX_BYTES = 2**16


Types = tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
"""Shapes and types of arrays."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A compiled function in JAX's cache.

    Attributes:
        name: its key there.
        inputs: of its arguments.
    """

    name: str
    inputs: Types


def types_of(tree: Any) -> Types:
    """Shapes and types of the leaves of a tree."""
    return tuple((tuple(leaf.shape), np.dtype(leaf.dtype)) for leaf in jax.tree.leaves(tree))


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A compiled function that was read from the disk.

    Attributes:
        executable: of XLA.
        device: on which it runs.
        inputs: of its arguments: XLA checks nothing of them, and others end the process.
        outputs: the structure of its results.
        named_in: the file by which it was found.
    """

    executable: Any
    device: jax.Device
    inputs: Types
    outputs: Any
    named_in: Path

    def __call__(self, *args: Any) -> Any:
        """Calls it with arrays; those that are not on the device are moved there.

        Raises:
            TypeError: it was compiled for other shapes or types.
        """
        leaves = [self._on_device(leaf) for leaf in jax.tree.leaves(args)]
        try:
            if types_of(leaves) != self.inputs:
                raise TypeError(f"{types_of(leaves)} are given, {self.inputs} were compiled")
            results = self.executable.execute_sharded(leaves)
        except Exception:  # whatever the reason, the next study compiles it
            _remove(self.named_in)
            raise
        arrays = [array for (array,) in results.disassemble_into_single_device_arrays()]
        return jax.tree.unflatten(self.outputs, arrays)

    def _on_device(self, leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.devices() == {self.device}:
            return leaf
        moved: jax.Array = jax.device_put(leaf, self.device)
        return moved


@dataclass(frozen=True, slots=True)
class KeptExecutables:
    """The executables of a program on disk.

    Attributes:
        path: the file that names them, which need not exist.
        key: of the program.
    """

    path: Path
    key: str

    @classmethod
    def of(cls, key: str) -> Self | None:
        """Those of a program; None if JAX keeps nothing on disk, or would do more in a call.

        Args:
            key: equal for programs for which the same is compiled.
        """
        directory = _directory()
        return None if directory is None else cls(directory / f"{key}{SUFFIX}", key)

    def read(self, outputs: Sequence[Any]) -> list[Callable[..., Any]] | None:
        """The compiled functions; None if they are not known, or cannot be used.

        Args:
            outputs: trees with the structure of the results of each function.
        """
        try:
            entries = self._entries()
            if len(entries) != len(outputs):
                return None
            with contextlib.suppress(OSError):  # files of somebody else, or that cannot change
                os.utime(self.path)  # so that it is removed last
            return [self._loaded(*pair) for pair in zip(entries, outputs, strict=True)]
        except FileNotFoundError:
            return None
        except Exception:  # damaged, or not for this XLA: compiled again
            _LOG.info("compiled functions on disk cannot be used", exc_info=True)
            return None

    def write(self, entries: Sequence[CacheEntry]) -> None:
        """Notes entries of JAX's cache, one for each function.

        A file that cannot be written is not an error.
        """
        with contextlib.suppress(OSError):
            named = [
                [one.name, _checksum(self._file(one.name)), [(s, str(d)) for s, d in one.inputs]]
                for one in entries
            ]
            content = {"program": self.key, "entries": named}
            write_text(self.path, json.dumps([content, _text_checksum(content)]))

    def _loaded(self, entry: CacheEntry, outputs: Any) -> LoadedFunction:
        device = jax.local_devices()[0]
        try:
            executable = load_entry(entry.name, device)
        except FileNotFoundError:
            raise
        except Exception:  # JAX would read it each time, and never replace it
            _remove(self._file(entry.name))
            raise
        structure = jax.tree.structure(outputs)
        return LoadedFunction(executable, device, entry.inputs, structure, self.path)

    def _entries(self) -> list[CacheEntry]:
        """The entries that the file names.

        Raises:
            OSError: a file cannot be read.
            ValueError: one is damaged, or belongs to another program.
        """
        if self.path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"{self.path} is too large")
        content, checksum = json.loads(self.path.read_text("utf-8"))
        if checksum != _text_checksum(content) or content["program"] != self.key:
            raise ValueError(f"{self.path} is damaged, or belongs to another program")
        entries = []
        for name, expected, inputs in content["entries"]:
            if _checksum(self._file(name)) != expected:
                _remove(self._file(name))
                raise ValueError(f"the entry {name} is damaged")
            entries.append(CacheEntry(name, tuple((tuple(s), np.dtype(d)) for s, d in inputs)))
        return entries

    def _file(self, name: str) -> Path:
        return entry_path(self.path.parent, name)


def prune_executables() -> None:
    """Removes the least recently used files of too many."""
    directory = _directory()
    if directory is not None:
        prune(directory, _MAX_FILES, f"*{SUFFIX}")


def _directory() -> Path | None:
    """The directory of JAX's cache; None if it is not used, or devices are not the usual one."""
    config: Any = jax.config
    with contextlib.suppress(AttributeError):
        checks_values = config.jax_debug_nans or config.jax_debug_infs  # by JAX, after each call
        is_usual = config.jax_default_device is None and not checks_values
        if config.jax_compilation_cache_dir and config.jax_enable_compilation_cache and is_usual:
            return Path(config.jax_compilation_cache_dir)
    return None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text_checksum(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
