"""Checkpoints of trials and weights of models as safetensors files, pruned as trials end."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from paceline.core import UnreadableStudy, command_line
from paceline.core.events import Json
from paceline.execute.base import Leaves, SnapshotReference, TrialSnapshot
from paceline.store import open_store
from paceline.store.files import explained, flush, remove
from paceline.store.paths import CHECKPOINTS
from paceline.study.record import network_files
from paceline.study.record.network_files import Label, Network, Unusable
from paceline.study.record.record import Record

_NAMES = re.compile(r"(running|best-model|(best-)?trial-\d+)-\d+\.safetensors")
"""Of all files that a study ever wrote there. No other is read or removed, whatever the database
says.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid file of one network.

    Attributes:
        file: its bare name.
        epoch: epochs after which the network is stored; 0 for one whose training has ended.
        key: of the trial, see `network_files.key_of`; empty in what was written before files had
            labels.
        seconds: training time so far, of a running trial.
    """

    file: str
    epoch: int = 0
    key: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Index:
    """Which files are valid; stored in the study's database.

    Attributes:
        study: a text that no other study has.
        running: of trials that have not ended, by number.
        models: of trials whose trained networks are kept, by number.
        best_model: of the model that the study gives out, with what was said of it.
        keep: of how many trials the trained networks are kept.
        next: the number of the last file.
    """

    study: str = field(default_factory=lambda: secrets.token_hex(16))
    running: dict[int, Entry] = field(default_factory=dict)
    models: dict[int, Entry] = field(default_factory=dict)
    best_model: dict[str, Any] | None = None
    keep: int = 1
    next: int = 0


_INDEX = TypeAdapter(Index)


class Checkpoints:
    """The checkpoints of one study.

    Files are written under new names, and flushed to the disk, before their names are stored in the
    study's database, in the same transaction as the measurements they belong to; only then are the
    files they replace removed.
    """

    def __init__(self, directory: Path, index: Json | None, key_of: Callable[[int], str]) -> None:
        """Reads no file yet.

        Args:
            directory: where the files are.
            index: what was stored last, see `index`.
            key_of: the key of a trial by its number, see `network_files.key_of`.

        Raises:
            UnreadableStudy: the index is damaged.
        """
        self._directory, self._key_of = directory, key_of
        self._index = _parsed(index, directory)
        self._obsolete: set[str] = set()

    @classmethod
    def read(cls, study: Path, record: Record | None = None) -> "Checkpoints":
        """Those of the study in a directory, as stored last; to be looked at only.

        Args:
            study: its directory.
            record: of the study; without it, no network can be read.
        """
        trials = {} if record is None else record.trials
        store = open_store(study, writable=False)
        try:
            index = store.value("checkpoints")
            return cls(
                study / CHECKPOINTS, index, lambda number: network_files.key_of(trials[number])
            )
        finally:
            store.close()

    @property
    def index(self) -> Json:
        """What to store: which files are valid."""
        return _INDEX.dump_python(self._index, mode="json")

    @property
    def num_kept(self) -> int:
        """Of how many trials the trained networks are kept: of those that scored best in the
        search.
        """
        return self._index.keep

    @num_kept.setter
    def num_kept(self, count: int) -> None:
        self._index.keep = count

    # -- trials that have not ended

    def save_running(self, snapshots: Mapping[int, SnapshotReference]) -> None:
        """Writes where running trials stand, all into one file."""
        if not snapshots:
            return
        loaded = {number: one.load() for number, one in snapshots.items()}
        networks = {
            self._label(n, one.epoch): Network(one.leaves, one.best) for n, one in loaded.items()
        }
        name = self._write("running", networks)
        for label, snapshot in zip(networks, snapshots.values(), strict=True):
            self.forget(label.trial)
            self._index.running[label.trial] = Entry(name, label.epoch, label.key, snapshot.seconds)

    def forget(self, number: int) -> None:
        """A trial has ended: its checkpoint is not needed any more."""
        old = self._index.running.pop(number, None)
        if old is not None:
            self._obsolete.add(old.file)

    def snapshot(self, number: int, num_measured: int) -> TrialSnapshot | None:
        """Where a trial stood when last stored; None where nothing is.

        Args:
            number: of the trial.
            num_measured: epochs that were measured of it.

        Raises:
            Unusable: the file is not what was stored.
        """
        entry = self._index.running.get(number)
        if entry is None:
            return None
        if not 0 < entry.epoch <= num_measured:
            raise Unusable(f"it is of epoch {entry.epoch}, and {num_measured} were measured")
        network = self._read(number, entry)
        return TrialSnapshot(entry.epoch, entry.seconds, network.leaves, network.best)

    # -- trained networks

    @property
    def kept(self) -> tuple[int, ...]:
        """The trials whose trained variables are kept."""
        return tuple(self._index.models)

    def keep(self, results: Mapping[int, Leaves], rank: Callable[[int], Any]) -> None:
        """Writes the trained networks of those trials that are now among the best, and drops what
        they overtake.

        Args:
            results: variables of trials that ended, by number.
            rank: orders trials by number, the best first.
        """
        best = sorted({*self.kept, *results}, key=rank)[: self.num_kept]
        for number in self.kept:
            if number not in best or number in results:
                self.drop_model(number)
        for number in best:
            if number in results:
                label = self._label(number, 0)
                file = self._write(f"trial-{number}", {label: Network(results[number])})
                self._index.models[number] = Entry(file, label.epoch, label.key)

    def drop_model(self, number: int) -> None:
        """The trained network of a trial is not kept any more."""
        old = self._index.models.pop(number, None)
        if old is not None:
            self._obsolete.add(old.file)

    def model(self, number: int) -> Leaves | None:
        """The variables of a trial's trained network; None where they are not kept.

        Raises:
            Unusable: the file is not what was stored.
        """
        entry = self._index.models.get(number)
        return None if entry is None else self._read(number, entry).leaves

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """What was said of the model that the study gives out, and the name of its ``file``."""
        return self._index.best_model

    def keep_best_model(self, number: int, leaves: Leaves, said: Mapping[str, Json]) -> None:
        """Writes the variables of the model that the study gives out.

        Args:
            number: its trial.
            leaves: its variables.
            said: what else to store of it; not ``refitted``: its variables are those of the search.
        """
        if self._index.best_model is not None:
            self._obsolete.add(self._index.best_model["file"])
        written = None if said["refitted"] else self._index.models.get(number)
        if written is None:
            label = self._label(number, 0)
            written = Entry(
                self._write("best-model", {label: Network(leaves)}), label.epoch, label.key
            )
        self._index.best_model = {**said, "trial": number, "file": written.file, "key": written.key}

    def best_model_leaves(self) -> Leaves | None:
        """The variables of the model that the study gives out; None where there is none yet.

        Raises:
            Unusable: the file is not what was stored.
        """
        known = self._index.best_model
        return (
            None
            if known is None
            else self._read(known["trial"], Entry(known["file"], 0, known["key"])).leaves
        )

    # -- all of them

    def checks(
        self, record: Record, *, is_in_file: bool
    ) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """For each network: whose it is in words, what to do where it cannot be used, and what
        reads it.

        ``is_in_file`` says whether there is a whole file of the best model beside them.
        What reads it raises `Unusable`, or a ``LookupError`` where the record has no such trial.
        """
        again = "It is trained again from its start when the study is resumed."
        for number in self._index.running:
            yield f"checkpoint of trial {number}", again, partial(self._running, number, record)
        for number in self._index.models:
            again = f"study.model({number}, retrain=True) makes it again."
            yield f"network of trial {number}", again, partial(self.model, number)
        if self._index.best_model is not None:
            again = (
                "It is in best.keras as well."
                if is_in_file
                else "It is trained again when the study is resumed."
            )
            yield "best model's network", again, self.best_model_leaves

    def _running(self, number: int, record: Record) -> TrialSnapshot | None:
        return self.snapshot(number, record.num_measured(number))

    def forget_all_but(self, record: Record) -> None:
        """Keeps the networks that belong to trials as they stand in a record which may have lost
        its end.
        """
        trials, index = record.trials, self._index
        index.running = {
            number: entry
            for number, entry in index.running.items()
            if number in trials
            and not trials[number].state.is_final
            and 0 < entry.epoch <= record.num_measured(number)
        }
        index.models = {
            n: one for n, one in index.models.items() if n in trials and trials[n].score is not None
        }
        index.best_model = None

    # -- files

    @property
    def num_bytes(self) -> int:
        """What the weights of models take on disk."""
        paths = [self._directory / name for name in self._files_of_models]
        return sum(path.stat().st_size for path in paths if path.exists())

    @property
    def will_remove(self) -> bool:
        """Whether `prune` has something to remove."""
        return bool(self._obsolete)

    def prune(self) -> None:
        """Removes files that the stored index does not name; to be called after it is stored."""
        valid = {entry.file for entry in self._index.running.values()} | self._files_of_models
        for name in self._obsolete - valid:
            if self._is_own(name):
                remove(self._directory / name)
        self._obsolete &= valid

    def prune_all(self) -> None:
        """Removes every file that the index does not name, such as one half-written when the
        process was killed.
        """
        self._obsolete |= {path.name for path in self._directory.glob("*.safetensors")}
        self.prune()

    @property
    def _files_of_models(self) -> set[str]:
        best = self._index.best_model
        return {entry.file for entry in self._index.models.values()} | (
            {best["file"]} if best else set()
        )

    def _is_own(self, name: str) -> bool:
        """Whether a file may be removed: one that this study wrote, in its own directory."""
        if not _NAMES.fullmatch(name):
            return False
        if not self._directory.is_symlink():
            return True
        try:  # a directory elsewhere, which may have other studies' files
            found = network_files.labels(self._directory / name)
        except Unusable:
            return False
        return bool(found) and all(label.study == self._index.study for label in found)

    def _label(self, number: int, epoch: int) -> Label:
        return Label(self._index.study, number, self._key_of(number), epoch)

    def _read(self, number: int, entry: Entry) -> Network:
        if not _NAMES.fullmatch(entry.file):
            raise Unusable("it has a name that no file of a study has")
        path = self._directory / entry.file
        if not entry.key:
            return network_files.read_unlabelled(path, number)
        return network_files.read(path, self._label(number, entry.epoch))

    def _write(self, what: str, networks: Mapping[Label, Network]) -> str:
        """Writes networks into a new file; its name."""
        with explained(self._directory):
            if not self._directory.is_dir():
                self._directory.mkdir()
                flush(self._directory.parent)
        self._index.next += 1
        while (
            path := self._directory / f"{what}-{self._index.next}.safetensors"
        ).is_symlink() or path.exists():
            self._index.next += 1
        with explained(path):
            network_files.write(path, networks)
        return path.name


def _parsed(stored: Json | None, directory: Path) -> Index:
    """An index as it was stored, by this version or an earlier one."""
    if stored is None:
        return Index()
    try:
        told = dict(stored)
        models = told.get("models", {})
        models = {
            number: {"file": one} if isinstance(one, str) else one for number, one in models.items()
        }
        if best := told.get("best"):  # as it was written when the best trial alone was kept
            models[best["trial"]] = {"file": best["file"]}
        if model := told.get("best_model"):
            told["best_model"] = {
                "key": "",
                **model,
                "trial": int(model["trial"]),
                "file": str(model["file"]),
            }
        return _INDEX.validate_python({**told, "models": models})
    except (ValidationError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise UnreadableStudy(
            f"which files in {directory} are valid cannot be read "
            f"({' '.join(str(error).split())[:200]}); "
            f"to see what can be repaired: {command_line('doctor', directory.parent)}"
        ) from error
