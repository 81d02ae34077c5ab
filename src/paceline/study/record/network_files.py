"""Files of networks with their trial, number of epochs and a checksum.

A file has the safetensors format. For each network in it, the metadata contain a `Label` and a
CRC-32 of its tensors with their names, types and shapes. Reading compares these with the expected
values, so a file that is damaged, was not written to its end before a failure of the power, or
belongs elsewhere, is never taken for a network of this trial.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from paceline.core import Trial
from paceline.execute.base import Leaves
from paceline.store import mirror
from paceline.store.files import flush, remove

_METADATA = "paceline"


@dataclass(frozen=True, slots=True)
class Label:
    """Identifies a network.

    Attributes:
        study: unique identifier of the study, drawn when it is created.
        trial: number of the trial.
        key: digest of the trial's configuration and seed, see `key_of`.
        epoch: number of epochs trained; 0 if the training has ended.
    """

    study: str
    trial: int
    key: str
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network's variables, those of its best epoch if these are kept, counters of callbacks."""

    leaves: Leaves
    best: Leaves | None = None
    callbacks: str = ""


class Unusable(Exception):
    """A file does not contain what was expected; the text gives the reason."""


def key_of(trial: Trial) -> str:
    """Digest of a trial's configuration and seed."""
    text = json.dumps([trial.seed, sorted(trial.config.items())], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(path: Path, networks: Mapping[Label, Network], *, flushed: bool = True) -> list[int]:
    """Writes networks to a new file.

    Args:
        path: of the file.
        networks: by their labels.
        flushed: whether it is on the disk when this returns; else it survives the end of the
            process only.

    Returns:
        The checksum of each network.

    Raises:
        OSError: it cannot be written; nothing of it is left.
        SafetensorError: the same.
    """
    tensors: dict[str, np.ndarray] = {}
    labels_and_sums = []
    for label, network in networks.items():
        own = dict(_named(label.trial, network))
        tensors |= own
        counts: dict[str, Any] = {"leaves": len(network.leaves), "best": len(network.best or ())}
        counts |= {"callbacks": network.callbacks} if network.callbacks else {}
        labels_and_sums.append(
            {**asdict(label), **counts, "crc32": _checksum(own, network.callbacks)}
        )
    try:
        save_file(tensors, path, {_METADATA: json.dumps(labels_and_sums)})
        if flushed:
            flush(path)
            flush(path.parent)
        mirror.written(path)
    except BaseException:
        remove(path)
        raise
    return [one["crc32"] for one in labels_and_sums]


def read(path: Path, label: Label, checksum: int | None = None) -> Network:
    """Reads the network with this label, and with this checksum if it is known.

    Raises:
        Unusable: the file is missing, damaged, or contains something else.
    """
    with _opened(path) as file:
        found_labels = _labels_in(file)
        found = next((one for one in found_labels if one["trial"] == label.trial), None)
        if found is None:
            raise Unusable(f"{path.name} contains no network of trial {label.trial}")
        _compare(path, found, label)
        if checksum not in (None, found["crc32"]):
            raise Unusable(f"{path.name} is not the file that was stored: its checksum differs")
        names = [f"{label.trial}/leaf/{i}" for i in range(found["leaves"])]
        best = [f"{label.trial}/best/{i}" for i in range(found["best"])]
        tensors = {name: file.get_tensor(name) for name in (*names, *best)}
        callbacks = str(found.get("callbacks", ""))
        if _checksum(tensors, callbacks) != found["crc32"]:
            raise Unusable(f"{path.name} is damaged: its checksum differs")
        leaves = [tensors[name] for name in names]
        return Network(leaves, [tensors[name] for name in best] or None, callbacks)


def read_unlabelled(path: Path, trial: int) -> Network:
    """Reads a network from a file without labels (earlier versions): the trial's, or the only one.

    Raises:
        Unusable: the file is missing, damaged, or contains no such network.
    """
    with _opened(path) as file:
        names = set(file.keys())
        for prefix in (f"{trial}/", ""):
            if f"{prefix}leaf/0" in names:
                leaves, best = (
                    [
                        file.get_tensor(f"{prefix}{kind}/{i}")
                        for i in range(_count(names, f"{prefix}{kind}/"))
                    ]
                    for kind in ("leaf", "best")
                )
                return Network(leaves, best or None)
        raise Unusable(f"{path.name} contains no network of trial {trial}")


def labels(path: Path) -> list[Label]:
    """Labels of the networks in a file; empty for files without labels (earlier versions).

    Raises:
        Unusable: the file is missing or damaged.
    """
    with _opened(path) as file:
        return [
            Label(one["study"], one["trial"], one["key"], one["epoch"]) for one in _labels_in(file)
        ]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Opens a file; errors in the block are raised as `Unusable`."""
    try:
        with safe_open(mirror.fetched(path), framework="numpy") as file:
            yield file
    except FileNotFoundError as error:
        raise Unusable(f"{path.name} is not there") from error
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise Unusable(f"{path.name} is damaged: {' '.join(str(error).split())}") from error


def _labels_in(file: Any) -> list[dict[str, Any]]:
    found = json.loads((file.metadata() or {}).get(_METADATA, "[]"))
    if not isinstance(found, list):
        raise TypeError("its metadata are not a list")
    return found


def _compare(path: Path, found: Mapping[str, Any], label: Label) -> None:
    if found["study"] != label.study:
        raise Unusable(f"{path.name} belongs to another study")
    if found["key"] != label.key:
        raise Unusable(f"{path.name} is of another configuration or seed")
    if found["epoch"] != label.epoch:
        raise Unusable(f"{path.name} is of epoch {found['epoch']}, not of epoch {label.epoch}")


def _named(trial: int, network: Network) -> Iterator[tuple[str, np.ndarray]]:
    for kind, leaves in (("leaf", network.leaves), ("best", network.best or ())):
        for i, leaf in enumerate(leaves):
            yield f"{trial}/{kind}/{i}", np.asarray(leaf, order="C")


def _count(names: set[str], prefix: str) -> int:
    return sum(name.startswith(prefix) for name in names)


def _checksum(tensors: Mapping[str, np.ndarray], callbacks: str) -> int:
    found = zlib.crc32(callbacks.encode())  # 0 if there are none
    for name, tensor in tensors.items():
        found = zlib.crc32(f"{name} {tensor.dtype} {tensor.shape};".encode(), found)
        found = zlib.crc32(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data, found)
    return found
