"""Writes runs that have ended as the files of Weights & Biases's offline mode.

The library passes a run in some forty messages to a process of its own, which takes most of the
time of an export. The files written here have the same records, and ``wandb sync`` reads them in
the same way:

    header        ``:W&B``, 0xBEE1, 0: seven bytes
    blocks        of 32 KiB, which contain chunks; less than seven bytes at the end are zeros
    chunk         CRC-32 of kind and content (4 bytes), length (2), kind (1), content
    kind          1 a whole record, 2 its first chunk, 3 one in between, 4 its last one
    record        a message ``Record`` of wandb_internal.proto

All numbers are little-endian. Source: LevelDB, doc/log_format.md, with the plain CRC-32 of zlib.
"""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.core import Measurement

_HEADER = b":W&B" + (0xBEE1).to_bytes(2, "little") + b"\0"
_BLOCK, _CHUNK_HEADER = 32_768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_PREFIX = "offline-run-"
_DIGEST = "paceline.sha256"  # the file that says what was written


@dataclass(frozen=True, slots=True)
class RunLabels:
    """What the runs of a study share.

    Attributes:
        project, group: their names.
        entity: the user or team; None for that of the user who uploads them.
    """

    project: str
    group: str
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run, with everything that is known of it.

    Attributes:
        id, name: its identifier and its name for people.
        config: its hyperparameters.
        history: its epochs.
        summary: further facts.
        began: when it began, in seconds since 1970.
        seconds: how long it took.
        exit_code: 0 for success.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    history: Sequence[Measurement]
    summary: Mapping[str, Any]
    began: float
    seconds: float
    exit_code: int = 0


def digest_of(run: EndedRun, labels: RunLabels) -> str:
    """A hash of where a run belongs, its configuration and its epochs."""
    epochs = [(one.epoch, one.metrics) for one in run.history]
    where = (labels.project, labels.group, labels.entity, run.id, run.exit_code)
    text = json.dumps([where, run.config, epochs], default=float, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def written_runs(folder: Path) -> set[str]:
    """The digests of the runs that were written to a folder of wandb by `write_run`."""
    return {path.read_text() for path in folder.glob(f"{_PREFIX}*/{_DIGEST}")}


def write_run(folder: Path, run: EndedRun, labels: RunLabels, digest: str) -> None:
    """Writes the files of a run; they appear as a whole.

    Args:
        folder: a folder of wandb, which has a folder for each run.
        run: the run.
        labels: its project, group and entity.
        digest: its `digest_of`, which is written beside it.

    Raises:
        OSError: they cannot be written.
        ImportError, AttributeError, TypeError, ValueError: records of the installed wandb differ.
    """
    content = log_of(record.SerializeToString() for record in _records(run, labels))
    incomplete = folder / f".{run.id}"  # one that a killed process has left is used again
    (incomplete / "files").mkdir(parents=True, exist_ok=True)
    (incomplete / f"run-{run.id}.wandb").write_bytes(content)
    (incomplete / _DIGEST).write_text(digest)
    os.replace(incomplete, _free(folder, run.id))


def _free(folder: Path, identifier: str) -> Path:
    """A name for the files of a run, as the library makes it: with the time, in seconds."""
    second = int(time.time())
    while True:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(second))
        path = folder / f"{_PREFIX}{stamp}-{identifier}"
        if not path.exists():
            return path
        second += 1


def log_of(records: Iterable[bytes]) -> bytes:
    """The content of a file with these records."""
    written = bytearray(_HEADER)
    for record in records:
        _append(written, record)
    return bytes(written)


def _append(written: bytearray, record: bytes) -> None:
    start, is_first, is_last = 0, True, False
    while not is_last:
        room = _BLOCK - len(written) % _BLOCK
        if room < _CHUNK_HEADER:
            written += bytes(room)
            continue
        part = record[start : start + room - _CHUNK_HEADER]
        start += len(part)
        is_last = start == len(record)
        kind = (_WHOLE if is_last else _FIRST) if is_first else (_LAST if is_last else _MIDDLE)
        kind_and_part = bytes([kind]) + part
        written += zlib.crc32(kind_and_part).to_bytes(4, "little")
        written += len(part).to_bytes(2, "little") + kind_and_part
        is_first = False


def _records(run: EndedRun, labels: RunLabels) -> Iterator[Any]:
    """The records of a run, in order."""
    import wandb
    from wandb.proto import wandb_internal_pb2 as messages

    number = 0

    def record() -> Any:
        nonlocal number
        number += 1
        made = messages.Record(num=number)  # type: ignore[attr-defined]
        made._info.stream_id = run.id
        return made

    header = record()
    header.header.version_info.producer = wandb.__version__
    yield header
    described = record()
    _describe(described.run, run, labels)
    yield described
    rows = [_row(run, one) for one in run.history]
    for row in rows:
        epoch = record()
        epoch.history.step.num = row["_step"]
        _fill(epoch.history.item, row)
        yield epoch
    end = record()
    _fill(end.summary.update, {**(rows[-1] if rows else {}), **run.summary})
    runtime = end.summary.update.add(value_json=json.dumps(int(run.seconds)))
    runtime.nested_key.extend(("_wandb", "runtime"))
    yield end
    exit_record = record()
    exit_record.exit.exit_code = run.exit_code
    exit_record.exit.runtime = int(run.seconds)
    yield exit_record


def _describe(record: Any, run: EndedRun, labels: RunLabels) -> None:
    record.run_id, record.display_name = run.id, run.name
    record.project, record.run_group = labels.project, labels.group
    if labels.entity is not None:
        record.entity = labels.entity
    record.resume = True  # a run that was uploaded before is continued, and not refused
    record.start_time.FromMicroseconds(int(run.began * 1e6))
    for name, value in run.config.items():
        record.config.update.add(key=name, value_json=json.dumps(value))


def _row(run: EndedRun, one: Measurement) -> dict[str, Any]:
    times = {"_step": one.epoch, "_runtime": one.seconds, "_timestamp": run.began + one.seconds}
    return {**one.metrics, **times}


def _fill(items: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        items.add(value_json=json.dumps(value)).nested_key.append(name)
