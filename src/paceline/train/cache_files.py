"""Paceline's cache directory on this machine, and files in it."""

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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
