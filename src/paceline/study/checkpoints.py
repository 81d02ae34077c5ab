"""Networks on disk: where running trials stand, and the weights of models. Safetensors, pruned as trials end."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from paceline.core.events import Json
from paceline.execute.base import Leaves, Snapshot
from paceline.store import StudyStore
from paceline.store.files import explained, remove


class Checkpoints:
    """The checkpoints of one study.

    Files are written under new names and become valid when their names are stored in the study's database, in the
    same transaction as the measurements they belong to; only then are the files they replace removed.

    Attributes:
        num_kept: of how many trials the trained networks are kept: of those that scored best in the search.
    """

    def __init__(self, directory: Path, index: Json | None) -> None:
        """``index`` is what was stored last, see `index`."""
        self._directory = directory
        index = index or {}
        self._running: dict[str, Json] = dict(index.get("running", {}))
        self._models: dict[str, str] = dict(index.get("models", {}))
        if best := index.get("best"):  # as it was written when the best trial alone was kept
            self._models[str(best["trial"])] = best["file"]
        self._best_model: Json | None = index.get("best_model")
        self.num_kept: int = index.get("keep", 1)
        self._next: int = index.get("next", 0)
        self._obsolete: set[str] = set()

    @classmethod
    def read(cls, study: Path) -> "Checkpoints":
        """Those of the study in a directory, as stored last; to be looked at only."""
        store = StudyStore(study, writable=False)
        try:
            return cls(study / "checkpoints", store.value("checkpoints"))
        finally:
            store.close()

    @property
    def index(self) -> Json:
        """What to store: which files are valid."""
        return {
            "running": self._running,
            "models": self._models,
            "keep": self.num_kept,
            "best_model": self._best_model,
            "next": self._next,
        }

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

    @property
    def kept(self) -> tuple[int, ...]:
        """The trials whose trained variables are kept."""
        return tuple(map(int, self._models))

    def keep(self, results: Mapping[int, Leaves], rank: Callable[[int], Any]) -> None:
        """Writes the trained networks of those trials that are now among the best, and drops what they overtake.

        Args:
            results: variables of trials that ended, by number.
            rank: orders trials by number, the best first.
        """
        best = sorted({*self.kept, *results}, key=rank)[: self.num_kept]
        for number in self.kept:
            if number not in best or number in results:
                self._obsolete.add(self._models.pop(str(number)))
        for number in best:
            if number in results:
                self._models[str(number)] = self._write_leaves(f"trial-{number}", results[number])

    def model(self, number: int) -> Leaves | None:
        """The variables of a trial's trained network; None where they are not kept."""
        file = self._models.get(str(number))
        return None if file is None else _numbered(load_file(self._directory / file), "leaf/")

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """What was said of the model that the study gives out, and the name of its ``file``."""
        return self._best_model

    def keep_best_model(self, number: int, leaves: Leaves, said: Mapping[str, Json]) -> None:
        """Writes the variables of the model that the study gives out.

        Args:
            number: its trial.
            leaves: its variables.
            said: what else to store of it; not ``refitted``: its variables are those of the search.
        """
        if self._best_model is not None:
            self._obsolete.add(self._best_model["file"])
        written = None if said["refitted"] else self._models.get(str(number))
        self._best_model = {**said, "trial": number, "file": written or self._write_leaves("best-model", leaves)}

    def best_model_leaves(self) -> Leaves | None:
        """The variables of the model that the study gives out; None where there is none yet."""
        return (
            None
            if self._best_model is None
            else _numbered(load_file(self._directory / self._best_model["file"]), "leaf/")
        )

    @property
    def num_bytes(self) -> int:
        """What the weights of models take on disk."""
        paths = [self._directory / name for name in self._files_of_models]
        return sum(path.stat().st_size for path in paths if path.exists())

    def snapshot(self, number: int) -> Snapshot | None:
        """Where a trial stood when last stored; None where nothing is."""
        entry = self._running.get(str(number))
        if entry is None:
            return None
        tensors = load_file(self._directory / entry["file"])
        best = _numbered(tensors, f"{number}/best/")
        return Snapshot(entry["epoch"], entry["seconds"], _numbered(tensors, f"{number}/leaf/"), best or None)

    def prune(self) -> None:
        """Removes files that the stored index does not name; to be called after it is stored."""
        valid = {entry["file"] for entry in self._running.values()} | self._files_of_models
        for name in self._obsolete - valid:
            remove(self._directory / name)
        self._obsolete &= valid

    def prune_all(self) -> None:
        """Removes every file that the index does not name, such as one half-written when the process was killed."""
        self._obsolete |= {path.name for path in self._directory.glob("*.safetensors*")}
        self.prune()

    @property
    def _files_of_models(self) -> set[str]:
        return set(self._models.values()) | ({self._best_model["file"]} if self._best_model else set())

    def _write_leaves(self, what: str, leaves: Leaves) -> str:
        name = self._new_name(what)
        self._write(name, {f"leaf/{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)})
        return name

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
