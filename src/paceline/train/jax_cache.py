"""Entries of JAX's cache on disk by their keys, which JAX computes from lowered programs.

The only module besides `paceline.train.internals` that uses private parts of JAX. It needs

- ``compilation_cache.get_executable_and_time``, which JAX calls with the key of what it is about to
  compile, and which reads an entry. Without it keys are not known, and each program is lowered.
- the name of an entry's file, which is checked before it is read.
- ``LoadedExecutable.execute_sharded`` and ``disassemble_into_single_device_arrays`` of its results,
  by which JAX calls what it has compiled (see `paceline.train.kept_executables`).

`tests/train/test_train_kept_executables.py` fails if a version of JAX changes any.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from jax._src import compilation_cache
from jaxlib import xla_client

_FUNCTION = "get_executable_and_time"


class _Recording(threading.local):
    """The keys of this thread; None if they are not recorded."""

    keys: list[str] | None = None


_recording = _Recording()
_lock = threading.Lock()
_num_recording = 0
_original: Any = None


@contextmanager
def recorded_keys() -> Iterator[list[str]]:
    """Records the keys of what JAX compiles in this thread, or reads from its cache."""
    before, _recording.keys = _recording.keys, []
    _replace(1)
    try:
        yield _recording.keys
    finally:
        _replace(-1)
        _recording.keys = before


def _replace(change: int) -> None:
    """Replaces JAX's function while any thread records."""
    global _num_recording, _original
    with _lock:
        if _num_recording == 0:
            _original = getattr(compilation_cache, _FUNCTION, None)
        _num_recording += change
        if _original is not None:
            setattr(compilation_cache, _FUNCTION, _noting if _num_recording else _original)


def _noting(key: str, *args: Any, **kwargs: Any) -> Any:
    if _recording.keys is not None:
        _recording.keys.append(key)
    return _original(key, *args, **kwargs)


def entry_path(directory: Path, key: str) -> Path:
    """The file of an entry; a name only, whatever the key is."""
    return directory / f"{Path(key).name}-cache"


def load_entry(key: str, device: jax.Device) -> Any:
    """The executable of an entry, for a device.

    Raises:
        FileNotFoundError: there is no such entry.
    """
    devices = xla_client.DeviceList((device,))
    found, _ = getattr(compilation_cache, _FUNCTION)(key, None, device.client, devices)
    if found is None:
        raise FileNotFoundError(f"JAX's cache has no entry {key}")
    return found
