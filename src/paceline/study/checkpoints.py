"""Networks on disk: where running trials stand, and the best one's weights. Safetensors, pruned as trials end."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from paceline.core.events import Json
from paceline.execute.base import Leaves, Snapshot
from paceline.store.files import explained, remove


class Checkpoints:
    """The checkpoints of one study.

    Files are written under new names and become valid when their names are stored in the study's database, in the
    same transaction as the measurements they belong to; only then are the files they replace removed.
    """

    def __init__(self, directory: Path, index: Json | None) -> None:
        """``index`` is what was stored last, see `index`."""
        self._directory = directory
        index = index or {"running": {}, "best": None, "next": 0}
        self._running: dict[str, Json] = dict(index["running"])
        self._best: Json | None = index["best"]
        self._next: int = index["next"]
        self._obsolete: set[str] = set()

    @property
    def index(self) -> Json:
        """What to store: which files are valid."""
        return {"running": self._running, "best": self._best, "next": self._next}

    def save_running(self, snapshots: Mapping[int, Snapshot]) -> None:
        """Writes where running trials stand, all into one file."""
        if not snapshots:
            return
        tensors: dict[str, np.ndarray] = {}
        name = self._new_name("running")
        for number, snapshot in snapshots.items():
            tensors |= {f"{number}/leaf/{i}": np.asarray(leaf) for i, leaf in enumerate(snapshot.leaves)}
            tensors |= {f"{number}/best/{i}": np.asarray(leaf) for i, leaf in enumerate(snapshot.best or ())}
            self._replace(str(number), {"file": name, "epoch": snapshot.epoch, "seconds": snapshot.seconds})
        self._write(name, tensors)

    def forget(self, number: int) -> None:
        """A trial has ended: its checkpoint is not needed any more."""
        if str(number) in self._running:
            self._replace(str(number), None)

    def save_best(self, number: int, leaves: Leaves) -> None:
        """Writes the best trial's variables and drops those of the best before it."""
        if self._best is not None:
            self._obsolete.add(self._best["file"])
        name = self._new_name(f"best-trial-{number}")
        self._write(name, {f"leaf/{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)})
        self._best = {"file": name, "trial": number}

    def snapshot(self, number: int) -> Snapshot | None:
        """Where a trial stood when last stored; None where nothing is."""
        entry = self._running.get(str(number))
        if entry is None:
            return None
        tensors = load_file(self._directory / entry["file"])
        best = _numbered(tensors, f"{number}/best/")
        return Snapshot(entry["epoch"], entry["seconds"], _numbered(tensors, f"{number}/leaf/"), best or None)

    def best(self, number: int) -> Leaves | None:
        """The variables of this trial, if it is the best one."""
        if self._best is None or self._best["trial"] != number:
            return None
        return _numbered(load_file(self._directory / self._best["file"]), "leaf/")

    def prune(self) -> None:
        """Removes files that the stored index does not name; to be called after it is stored."""
        valid = {entry["file"] for entry in self._running.values()} | ({self._best["file"]} if self._best else set())
        for name in self._obsolete - valid:
            remove(self._directory / name)
        self._obsolete &= valid

    def prune_all(self) -> None:
        """Removes every file that the index does not name, such as one half-written when the process was killed."""
        self._obsolete |= {path.name for path in self._directory.glob("*.safetensors*")}
        self.prune()

    def _replace(self, number: str, entry: Json | None) -> None:
        old = self._running.pop(number, None)
        if old is not None:
            self._obsolete.add(old["file"])
        if entry is not None:
            self._running[number] = entry

    def _new_name(self, what: str) -> str:
        self._next += 1
        return f"{what}-{self._next}.safetensors"

    def _write(self, name: str, tensors: dict[str, np.ndarray]) -> None:
        path = self._directory / name
        with explained(path):
            self._directory.mkdir(exist_ok=True)
            save_file({key: np.asarray(value, order="C") for key, value in tensors.items()}, path)


def _numbered(tensors: Mapping[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    count = sum(key.startswith(prefix) for key in tensors)
    return [tensors[f"{prefix}{i}"] for i in range(count)]
