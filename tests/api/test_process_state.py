"""What a call of Paceline changes of its process is as before when it ends."""

import gc
import json
import os
import platform
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from paceline.core import process_state

pytestmark = pytest.mark.exhaustive

PROGRAM = Path(__file__).with_name("process_fingerprint.py")
RAISED = {
    "a first study": "",
    "best_model": "",
    "best_model built anew": "",
    "resume": "",
    "finish": "",
    "ablate": "",
    "resume of another space": "StudyMismatch",
    "networks of which one fails": "",
    "a function": "",
    "a function in processes": "",
    "a function in a file": "",
    "a function that fails": "AllTrialsFailed",
    "Ctrl+C": "StudyInterrupted",
    "what cannot be": "InvalidInput",
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, dict[str, Any]]]:
    base = tmp_path_factory.mktemp("studies")
    # not the tests' own process: others have set JAX's configuration there
    command = [sys.executable, str(PROGRAM), str(base)]
    environment = {**os.environ, "TMPDIR": str(base)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[str, dict[str, Any]]] = json.loads(done.stdout)
    return found


def test_every_call_raised_only_what_was_expected(
    calls: dict[str, tuple[str, dict[str, Any]]],
) -> None:
    assert {name: raised for name, (raised, _) in calls.items()} == RAISED


@pytest.mark.parametrize("call", RAISED)
def test_nothing_stays_behind(calls: dict[str, tuple[str, dict[str, Any]]], call: str) -> None:
    assert calls[call][1] == {}


@process_state.preserved()
def careless(place: Path, undone: list[str]) -> None:
    """Changes all kinds of things, and fails."""
    assert process_state.restore_at_end("one", lambda: undone.append("one"))
    with process_state.preserved():
        random.random()
        np.random.random()
        warnings.simplefilter("always")
        os.chdir(place)
        assert not process_state.restore_at_end("one", lambda: undone.append("again"))
        assert process_state.restore_at_end("two", lambda: undone.append("two"))
    assert Path.cwd() == place
    assert not undone
    raise KeyError("careless")


def test_the_block_that_ends_last_restores(tmp_path: Path) -> None:
    undone: list[str] = []
    np.random.seed(5)
    before = random.getstate(), Path.cwd(), list(warnings.filters)
    with pytest.raises(KeyError, match="careless"):
        careless(tmp_path, undone)
    assert undone == ["two", "one"]
    assert (random.getstate(), Path.cwd(), warnings.filters) == before
    np.testing.assert_array_equal(np.random.random(3), np.random.RandomState(5).random(3))
    assert not process_state.restore_at_end("one", lambda: undone.append("outside"))


def test_another_bit_generator_of_numpy_is_restored() -> None:
    generators: Any = np.random  # the stubs of NumPy lack these two functions
    before = generators.get_bit_generator()
    generators.set_bit_generator(np.random.PCG64(3))
    try:
        with process_state.preserved():
            np.random.random(5)
        assert np.random.random() == np.random.Generator(np.random.PCG64(3)).random()
    finally:
        generators.set_bit_generator(before)


def test_a_current_directory_that_was_removed_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with process_state.preserved():
        pass
    os.chdir(tmp_path)
    gone.mkdir()
    os.chdir(gone)
    with process_state.preserved():
        os.chdir(tmp_path)
        gone.rmdir()
    assert Path.cwd() == tmp_path


def test_what_the_user_froze_stays_frozen() -> None:
    was_frozen = gc.get_freeze_count() > 0  # by the tests themselves, for speed
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with process_state.fewer_collections(), process_state.fewer_collections():
            assert gc.get_freeze_count() == frozen
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()
    with process_state.fewer_collections():
        with process_state.fewer_collections():
            assert gc.get_freeze_count() > 0
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    if was_frozen:
        gc.freeze()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked for it")
@pytest.mark.parametrize("in_block", [False, True])
def test_free_memory_goes_back_to_the_system(in_block: bool) -> None:
    """At the end of a block: what is freed in it after the request is returned, too."""

    def resident() -> int:
        return int(psutil.Process().memory_info().rss)

    held = [b"x" * (2**16 + i) for i in range(2**10)]  # 64 MiB, in pieces that are not mapped alone
    pin = b"x" * 2**16  # above them, so that freeing does not return them
    full = resident()
    if in_block:
        with process_state.preserved():
            process_state.return_memory_at_end()
            held.clear()
            assert full - resident() < 2**25
            process_state.return_memory_at_end()
            assert full - resident() < 2**25
    else:
        held.clear()
        process_state.return_memory_at_end()
    assert full - resident() > 2**25
    assert len(pin) == 2**16
