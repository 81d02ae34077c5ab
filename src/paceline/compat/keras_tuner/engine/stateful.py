"""Objects whose state is kept in a JSON file."""

import json
import os
import threading
from pathlib import Path
from typing import Any


class Stateful:
    """An object that can be saved and restored; subclasses define its state."""

    def get_state(self) -> dict[str, Any]:
        """The state, as JSON types."""
        raise NotImplementedError

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        raise NotImplementedError

    def save(self, fname: str) -> None:
        """Writes the state to a file; the file is complete at any time."""
        save_json(fname, self.get_state())

    def reload(self, fname: str) -> None:
        """Takes over the state of a file."""
        self.set_state(load_json(fname))


def save_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a value as JSON, so that the file is complete at any time."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.new")
    beside.write_text(json.dumps(value, default=_plain), encoding="utf-8")
    os.replace(beside, target)


def load_json(path: str | os.PathLike[str]) -> Any:
    """Reads a file of `save_json`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, paths as texts."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
