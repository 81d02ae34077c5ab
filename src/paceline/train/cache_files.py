"""Paceline's cache directory on this machine, and files in it."""

import contextlib
import os
import threading
from pathlib import Path

import platformdirs


def cache_directory() -> Path:
    """Paceline's cache directory for this machine; ``PACELINE_CACHE`` overrides it."""
    return Path(os.environ.get("PACELINE_CACHE") or platformdirs.user_cache_dir("paceline"))


def write_text(path: Path, text: str) -> None:
    """Writes a file and its directory; a process that is killed leaves the earlier file.

    Raises:
        OSError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for bytes. Of processes that write at once, one leaves its whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def prune(directory: Path, max_files: int, pattern: str = "*") -> None:
    """Removes the least recently used files of a pattern, so that at most ``max_files`` remain."""
    with contextlib.suppress(OSError):
        paths = sorted(directory.glob(pattern), key=lambda path: path.stat().st_mtime)
        for path in paths[: max(0, len(paths) - max_files)]:
            path.unlink(missing_ok=True)
