"""Checkpoints of trials and weights of models as safetensors files, pruned as trials end."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from paceline.core.events import Json
from paceline.execute.base import Leaves, SnapshotReference, TrialSnapshot
from paceline.store import open_store
from paceline.store.delayed_flush import DelayedFlush
from paceline.store.files import explained, flush, remove
from paceline.store.paths import CHECKPOINTS
from paceline.study.record import network_files, parts
from paceline.study.record.checkpoint_index import NAME, Entry, Index, head_of, read
from paceline.study.record.network_files import Label, Network, Unusable
from paceline.study.record.record import Record
from paceline.study.record.states import States

_NAMES = re.compile(r"(running|best-model|(best-)?trial-\d+)-\d+\.safetensors")
"""Names of the files that studies write. Others are never read or removed."""


class Checkpoints:
    """The checkpoints of one study.

    Files are written under new names before their names are stored in the study's database, in the
    same transaction as the measurements they belong to. The files they replace are removed only
    after that. Models are flushed to the disk before their names are stored. The states of running
    trials are flushed later, by a thread; until then the index has the earlier state of such a
    trial as well (docs/design/0043-durable-later.md).
    """

    def __init__(self, directory: Path, value: parts.Read, key_of: Callable[[int], str]) -> None:
        """Opens the checkpoints; reads no file yet.

        Args:
            directory: that of the files.
            value: returns a stored current value by its name, for the stored index.
            key_of: returns the key of a trial by its number, see `network_files.key_of`.

        Raises:
            UnreadableStudy: the index is damaged.
        """
        self._directory, self._key_of = directory, key_of
        stored = read(value, directory)
        self._index, self._is_head_stored = stored or Index(), stored is not None
        self._flush = DelayedFlush(directory)
        self._states = States(self._index.running, self._flush)
        self._obsolete = self._states.dropped

    @classmethod
    def read(
        cls, study: Path, record: Record | None = None, *, running: bool = False
    ) -> "Checkpoints":
        """The stored networks of a study's trials, for reading only.

        Args:
            study: directory of the study.
            record: that of the study; without it, no network can be read.
            running: whether to read those of trials that have not ended, too.
        """
        trials = {} if record is None else record.trials
        store = open_store(study, writable=False)
        try:
            value: parts.Read = store.value
            if not running:  # they are in parts
                value = {NAME: store.value(NAME)}.get
            return cls(study / CHECKPOINTS, value, lambda n: network_files.key_of(trials[n]))
        finally:
            store.close()

    @property
    def is_stored(self) -> bool:
        """Whether the index has not changed since it was last taken to be stored."""
        return self._is_head_stored and self._states.is_stored

    def take_changes(self) -> dict[str, Json]:
        """The current values to store; empty if the index has not changed since the last call."""
        if self.is_stored:
            return {}
        self._is_head_stored = True
        return self._states.take(head_of(self._index))

    def were_not_stored(self) -> None:
        """The result of `take_changes` could not be stored; the next one will be complete."""
        self._states.were_not_stored()

    @property
    def num_kept(self) -> int:
        """Number of trials whose trained networks are kept: those with the best search scores."""
        return self._index.keep

    @num_kept.setter
    def num_kept(self, count: int) -> None:
        self._is_head_stored &= self._index.keep == count
        self._index.keep = count

    # -- trials that have not ended

    def save_running(self, snapshots: Mapping[int, SnapshotReference]) -> None:
        """Writes the state of running trials, all into one file, which is flushed later."""
        if not snapshots:
            return
        loaded = {number: one.load() for number, one in snapshots.items()}
        networks = {
            self._label(n, one.epoch): Network(one.leaves, one.best, one.callbacks)
            for n, one in loaded.items()
        }
        name, sums = self._write("running", networks, flushed=False)
        for label, snapshot, checksum in zip(networks, snapshots.values(), sums, strict=True):
            new = Entry(name, label.epoch, label.key, snapshot.seconds, checksum)
            self._states.add(label.trial, new)
        self._flush.add([name])

    def forget(self, number: int) -> None:
        """Drops the checkpoint of a trial that has ended."""
        self._states.set(number, None)

    def go_back(self, number: int) -> int:
        """Drops the state of a trial that cannot be used; see `States.go_back`."""
        return self._states.go_back(number)

    def settle(self, *, wait: bool = False) -> None:
        """Drops the earlier states of those trials whose last state is on the disk now.

        Args:
            wait: whether to wait until all are.

        Raises:
            PacelineError: files could not be flushed.
        """
        with explained(self._directory):
            self._states.settle(wait=wait)

    def snapshot(self, number: int, num_measured: int) -> TrialSnapshot | None:
        """The stored state of a trial; None if there is none.

        Args:
            number: number of the trial.
            num_measured: number of its measured epochs.

        Raises:
            Unusable: the file is not the one that was stored.
        """
        entry = self._states.entries.get(number)
        if entry is None:
            return None
        if not 0 < entry.epoch <= num_measured:
            raise Unusable(f"it is of epoch {entry.epoch}, and {num_measured} were measured")
        network = self._read(number, entry)
        return TrialSnapshot(
            entry.epoch, entry.seconds, network.leaves, network.best, network.callbacks
        )

    # -- trained networks

    @property
    def kept(self) -> tuple[int, ...]:
        """The trials whose trained variables are kept."""
        return tuple(self._index.models)

    def keep(self, results: Mapping[int, Leaves], rank: Callable[[int], Any]) -> None:
        """Writes trained networks that are now among the best, and drops those they replace.

        Args:
            results: variables of trials that ended, by number.
            rank: orders trials by number, the best first.
        """
        best = sorted({*self.kept, *results}, key=rank)[: self.num_kept]
        written = {}
        for number in (number for number in best if number in results):
            label = self._label(number, 0)
            file, sums = self._write(f"trial-{number}", {label: Network(results[number])})
            written[number] = Entry(file, 0, label.key, crc32=sums[0])
        for number in self.kept:  # after the others have been written
            if number not in best or number in written:
                self.drop_model(number)
        self._is_head_stored = self._is_head_stored and not written
        self._index.models.update(written)

    def drop_model(self, number: int) -> None:
        """Drops the trained network of a trial."""
        old = self._index.models.pop(number, None)
        if old is not None:
            self._is_head_stored = False
            self._obsolete.add(old.file)

    def model(self, number: int) -> Leaves | None:
        """The variables of a trial's trained network; None where they are not kept.

        Raises:
            Unusable: the file is not the one that was stored.
        """
        entry = self._index.models.get(number)
        return None if entry is None else self._read(number, entry).leaves

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """Description of the study's final model, with the name of its ``file``."""
        return self._index.best_model

    def keep_best_model(self, number: int, leaves: Leaves, description: Mapping[str, Json]) -> None:
        """Writes the variables of the study's final model.

        Args:
            number: number of its trial.
            leaves: its variables.
            description: its description; if not ``refitted``, the variables are those of the
                search.
        """
        self._is_head_stored = False
        if self._index.best_model is not None:
            self._obsolete.add(self._index.best_model["file"])
        written = None if description["refitted"] else self._index.models.get(number)
        if written is None:
            label = self._label(number, 0)
            file, _ = self._write("best-model", {label: Network(leaves)})
            written = Entry(file, 0, label.key)
        self._index.best_model = {
            **description,
            "trial": number,
            "file": written.file,
            "key": written.key,
        }

    def best_model_leaves(self) -> Leaves | None:
        """The variables of the study's final model; None if there is none yet.

        Raises:
            Unusable: the file is not the one that was stored.
        """
        known = self._index.best_model
        return (
            None
            if known is None
            else self._read(known["trial"], Entry(known["file"], 0, known["key"])).leaves
        )

    # -- all networks

    def checks(
        self, record: Record, *, is_in_file: bool
    ) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """For each network: its description, what to do if it cannot be used, and a reader.

        ``is_in_file`` says whether there is also a complete file of the best model. Readers raise
        `Unusable`, or ``LookupError`` if the record has no such trial.
        """
        for number, entry in self._states.entries.items():
            earlier = entry.earlier
            begin = "its start" if earlier is None else f"epoch {earlier.epoch + 1}"
            again = f"It is trained again from {begin} when the study is resumed."
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
        """Keeps only the networks of trials as they are in a record that may have lost its end."""
        self._is_head_stored = False
        trials, index = record.trials, self._index
        for number in [*self._states.entries]:
            is_open = number in trials and not trials[number].state.is_final
            while (entry := self._states.entries.get(number)) is not None:
                if is_open and 0 < entry.epoch <= record.num_measured(number):
                    break
                self.go_back(number)
        index.models = {
            n: one for n, one in index.models.items() if n in trials and trials[n].score is not None
        }
        index.best_model = None

    # -- files

    @property
    def num_bytes(self) -> int:
        """Size of the models' weights on disk."""
        paths = [self._directory / name for name in self._files_of_models]
        return sum(path.stat().st_size for path in paths if path.exists())

    @property
    def needs_pruning(self) -> bool:
        """Whether `prune` has files to remove."""
        return bool(self._obsolete)

    def prune(self) -> None:
        """Removes files that are not in the stored index; call it after the index is stored."""
        valid = self._states.files | self._files_of_models
        for name in self._obsolete - valid:
            if self._is_own(name):
                self._flush.discard(name)
                remove(self._directory / name)
        self._obsolete &= valid

    def take_over(self) -> None:
        """Takes over the files of an earlier session, which may have been killed.

        Those that are not in the index are removed, those of running trials are flushed.
        """
        self._obsolete |= {path.name for path in self._directory.glob("*.safetensors")}
        self.prune()
        self._states.check(self._is_whole)
        self._flush.add(name for name in self._states.files if _NAMES.fullmatch(name))

    def _is_whole(self, number: int, entry: Entry) -> bool:
        try:
            self._read(number, entry)
        except Unusable:
            return False
        return True

    @property
    def _files_of_models(self) -> set[str]:
        best = self._index.best_model
        return {entry.file for entry in self._index.models.values()} | (
            {best["file"]} if best else set()
        )

    def _is_own(self, name: str) -> bool:
        """Whether a file may be removed: this study wrote it, in its own directory."""
        if not _NAMES.fullmatch(name):
            return False
        if not self._directory.is_symlink():
            return True
        try:  # a link to another directory, which may contain other studies' files
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
        return network_files.read(path, self._label(number, entry.epoch), entry.crc32)

    def _write(
        self, what: str, networks: Mapping[Label, Network], *, flushed: bool = True
    ) -> tuple[str, list[int]]:
        """Writes networks to a new file; returns its name, and the checksum of each."""
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
            sums = network_files.write(path, networks, flushed=flushed)
        return path.name, sums
