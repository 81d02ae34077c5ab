"""States of running trials are flushed to the disk later: SIGKILL costs nothing, and after a power
failure a state that was not written to its end is noticed, and the one before it used.
"""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.study.flushed_later import search

import paceline
from paceline.core import PacelineError
from paceline.core.events import Noted
from paceline.execute.base import TrialSnapshot
from paceline.store import StudyStore, delayed_flush
from paceline.store.delayed_flush import DelayedFlush
from paceline.study.record import checkpoint_index
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.parts import Parts, read
from paceline.study.record.recorder import Recorder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was killed (SIGKILL) before any state was flushed."""
    directory = tmp_path_factory.mktemp("killed") / "s"
    program = [sys.executable, "-m", "tests.study.flushed_later", str(directory)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert sum(entry.earlier is not None for entry in states(directory).values()) >= 3
    assert sum(entry.earlier is None for entry in states(directory).values()) >= 3
    return directory


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    return search(tmp_path_factory.mktemp("undisturbed") / "s")


def states(directory: Path) -> dict[int, checkpoint_index.Entry]:
    """The entries of running trials in the index of a study."""
    store = StudyStore(directory, writable=False)
    index = checkpoint_index.read(store.value, directory)
    store.close()
    assert index is not None
    return index.running


def story(study: paceline.Study) -> list[Any]:
    decisions = study.record.decisions
    return [
        (
            trial.config,
            trial.state,
            trial.score,
            [(one.epoch, one.metrics) for one in trial.measurements],
            [(one.epoch, one.action, one.reason) for one in decisions.get(trial.number, [])],
        )
        for trial in study.trials
    ]


def test_a_kill_costs_nothing(killed: Path, undisturbed: paceline.Study, tmp_path: Path) -> None:
    study = search(Path(shutil.copytree(killed, tmp_path / "s")))
    assert story(study) == story(undisturbed)
    assert not [note for note in study.record.notes if "cannot be used" in note]
    assert not states(study.directory)
    names = {path.name for path in (study.directory / "checkpoints").iterdir()}
    assert len(names) == 1, "that of the best model"


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
    ids=["missing", "empty", "zeros", "cut"],
)
def test_a_power_failure_costs_what_was_not_on_the_disk(
    killed: Path, undisturbed: paceline.Study, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    directory = Path(shutil.copytree(killed, tmp_path / "s"))
    found = states(directory)
    for entry in found.values():
        damage(directory / "checkpoints" / entry.file)
    study = search(directory)
    assert story(study) == story(undisturbed)
    notes = [note for note in study.record.notes if note.startswith("The checkpoint of trial")]
    assert notes
    for note in notes:
        earlier = found[int(note.split()[4])].earlier
        begin = "its start" if earlier is None else f"epoch {earlier.epoch + 1}, by"
        assert f"trained again from {begin}" in note
    assert any("by an earlier checkpoint" in note for note in notes)


def test_where_the_earlier_state_is_lost_too_it_begins_again(
    killed: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(killed, tmp_path / "s"))
    for path in (directory / "checkpoints").glob("running-*"):
        path.unlink()
    assert story(search(directory)) == story(undisturbed)


def snapshot(epoch: int) -> dict[int, TrialSnapshot]:
    return {0: TrialSnapshot(epoch, float(epoch), [np.full(3, epoch)])}


def names(checkpoints: Checkpoints) -> list[str]:
    entry = checkpoint_index.read(checkpoints.take_changes().get, Path())
    assert entry is not None
    return [*entry.running[0].files]


def test_an_earlier_state_stays_until_the_last_one_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, lambda _: None, str)
    checkpoints.save_running(snapshot(1))
    checkpoints.settle(wait=True)

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        checkpoints.save_running(snapshot(2))
        with pytest.raises(PacelineError, match="the disk fails"):
            checkpoints.settle(wait=True)
        assert names(checkpoints) == ["running-2.safetensors", "running-1.safetensors"]
    checkpoints.save_running(snapshot(3))
    checkpoints.prune()
    assert {path.name for path in tmp_path.iterdir()} == {
        "running-3.safetensors",
        "running-1.safetensors",
    }
    checkpoints.settle(wait=True)
    assert names(checkpoints) == ["running-3.safetensors"]
    checkpoints.prune()
    assert {path.name for path in tmp_path.iterdir()} == {"running-3.safetensors"}


def test_a_file_that_was_not_flushed_does_not_take_results_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StudyStore(tmp_path / "s", writable=True)
    recorder = Recorder(store, None)

    def fails(*_: object, **__: object) -> None:
        raise PacelineError("the disk fails")

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "settle", fails)
        with pytest.raises(PacelineError, match="the disk fails"):
            recorder.tell([Noted("measured")])
    recorder.tell([Noted("later")])
    assert [getattr(one.event, "text", None) for one in store.events()] == ["measured", "later"]
    store.close()


def test_a_model_is_dropped_after_that_in_its_place_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, lambda _: None, str)
    checkpoints.num_kept = 1
    checkpoints.keep({5: [np.ones(3)]}, rank=int)

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(PacelineError):
            checkpoints.keep({2: [np.zeros(3)]}, rank=int)
    assert checkpoints.kept == (5,)
    checkpoints.prune()
    assert checkpoints.model(5) is not None
    checkpoints.keep({2: [np.zeros(3)]}, rank=int)
    assert checkpoints.kept == (2,)


def test_files_are_flushed_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    seen: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", refuses)
    monkeypatch.setattr(delayed_flush, "flush", lambda path: seen.append(path.name))
    later = DelayedFlush(tmp_path)
    later.add(["a"])
    later.wait()
    assert "a" in seen
    assert later.is_flushed("a")


def test_a_flush_follows_what_is_written_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, seen = DelayedFlush(tmp_path), []

    def flush(path: Path) -> None:
        seen.append(path.name)
        if path.name == "a":
            later.add(["b"])
            assert not later.is_flushed("a")

    monkeypatch.setattr(delayed_flush, "flush", flush)
    later.add(["a"])
    later.wait()
    assert seen == ["a", tmp_path.name, "b", tmp_path.name]
    assert later.is_flushed("a")
    assert later.is_flushed("b")


@given(st.lists(st.tuples(st.integers(0, 200), st.none() | st.integers()), max_size=30))
def test_parts_are_the_whole(changes: list[tuple[int, int | None]]) -> None:
    entries: dict[int, int] = {}
    values: dict[str, Any] = {}
    parts = Parts("name", entries)
    for at, (number, entry) in enumerate(changes):
        entries.pop(number, None)
        if entry is not None:
            entries[number] = entry
        parts.change(number)
        if at % 3 == 0:
            parts = Parts("name", entries) if at % 2 else parts
            values |= parts.take({"at": at}, entries, int)
            expected = {str(one): value for one, value in entries.items()}
            assert read(values.get, "name", "all") == {"at": at, "all": expected}
