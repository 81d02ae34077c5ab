"""A search that is interrupted, then killed, goes on where it stopped: nothing lost, nothing
trained twice.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from paceline.core import PacelineError
from paceline.core.events import EpochMeasured, Event
from paceline.report import read
from paceline.store import StudyStore

Run = Callable[..., Result]

TRIALS, EPOCHS = 6, 200
_PATIENCE = 60  # seconds that a process may take to come so far


def events(study: Path) -> list[Event]:
    store = StudyStore(study, writable=False)
    try:
        return [stored.event for stored in store.events()]
    finally:
        store.close()


def measured(study: Path) -> list[tuple[int, int]]:
    return [
        (event.number, event.epoch) for event in events(study) if isinstance(event, EpochMeasured)
    ]


def num_measured(study: Path) -> int:
    try:
        return len(measured(study))
    except PacelineError:  # it has no tables yet
        return 0


def stopped(
    words: Sequence[str], study: Path, enough: int, how: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Runs a command until the study holds so many measurements, then sends the signal."""
    with subprocess.Popen(
        [sys.executable, "-m", "paceline", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until = time.monotonic() + _PATIENCE
            while (
                time.monotonic() < until and process.poll() is None and num_measured(study) < enough
            ):
                time.sleep(0.02)
            process.send_signal(how)
            out, err = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.mark.exhaustive
def test_interrupted_then_killed_then_resumed(run: Run, model: Path, tmp_path: Path) -> None:
    study = tmp_path / "s"
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        str(EPOCHS),
    ]
    words += ["--search", "random", "--schedule", "full", "--batch-size", "128", "--final", "off"]
    words += ["--trials", str(TRIALS), "--seed", "1", "--study", str(study), "--keep", "best"]

    interrupted = stopped(words, study, 1, signal.SIGINT)
    assert interrupted.returncode == 130, interrupted.stderr
    assert f"Continue with: paceline resume {study}" in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    assert read(study).state == "interrupted"
    first = measured(study)
    assert 0 < len(first) < TRIALS * EPOCHS

    killed = stopped(["resume", str(study)], study, len(first) + 1, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read(study).state == "killed"
    told = run("show", study)
    assert told.exit_code == 0
    assert "Continue with: paceline resume" in told.stdout
    second = measured(study)
    assert second[: len(first)] == first

    resumed = run("resume", study)
    assert resumed.exit_code == 0, resumed.output
    last = measured(study)
    assert last[: len(second)] == second
    assert set(Counter(last).values()) == {1}
    assert set(last) == {
        (trial, epoch) for trial in range(TRIALS) for epoch in range(1, EPOCHS + 1)
    }
    assert len(read(study).ranked) == TRIALS
