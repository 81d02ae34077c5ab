"""Ctrl+C: never lost, nothing half done, and what can be done with a study afterwards."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import TrialState, interrupts
from paceline.core.events import TrialPaused
from paceline.store import StudyStore

_PATIENCE = 60.0  # seconds that a process may take to come so far

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
DATA = (X, (X.sum(1) > 0).astype("int32"), X, (X.sum(1) > 0).astype("int32"))


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press() -> None:
    """Ctrl+C."""
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_during_a_garbage_collection_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", hook := lambda one: printed.append(one.exc_type))

    def collected(phase: str, _: object) -> None:
        if phase == "start":
            press()
        raise ArithmeticError

    with interrupts.handled():
        gc.callbacks.append(collected)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(collected)
        assert printed == [ArithmeticError]  # and not the interrupt, which comes now
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert sys.unraisablehook is hook


def test_ctrl_c_waits_for_the_end_of_a_step_and_a_second_one_does_not() -> None:
    with interrupts.deferred():
        press()  # nothing happens yet
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    with interrupts.deferred():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()
    interrupts.check()  # nothing is left over


def test_a_handler_of_the_users_own_is_called_as_before() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with interrupts.deferred():
            press()
            assert not heard
            interrupts.check()
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


CALLS = {"left": 0}


@keras.saving.register_keras_serializable("interrupted")
class Counted(keras.layers.Layer):  # type: ignore[misc]
    """Ctrl+C comes once, in its nth call; eager code, so that trials train one after another."""

    def call(self, x: Any) -> Any:
        CALLS["left"] -= 1
        if CALLS["left"] == 0:
            press()
        return x


def build(hp: Any) -> keras.Model:
    layers = [keras.Input((4,)), Counted(), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.SGD(hp.Float("rate", 1e-3, 1.0, sampling="log"))
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
    return model


SETTINGS: dict[str, Any] = {
    "objective": "val_accuracy",
    "epochs": 2,
    "trials": 4,
    "seed": 1,
    "display": False,
    "final": 2,
    "schedule": "full",
    "search": "random",
    "in_flight": 1,
    "validation": 0.25,
}


@pytest.mark.exhaustive
def test_a_search_that_was_stopped_is_finished_and_goes_on_all_the_same(tmp_path: Path) -> None:
    study = tmp_path / "s"
    CALLS["left"] = 22  # in the third of four trials, or about there
    with pytest.raises(paceline.StudyInterrupted, match="Or end the search here") as stopped:
        paceline.tune(build, DATA, study=study, **SETTINGS)
    assert f"paceline.resume({str(study)!r}, build=build, data=data)" in str(stopped.value)
    assert (study / "report.html").exists()

    half = paceline.load_study(study)
    had = {trial.number: len(trial.measurements) for trial in half.trials}
    assert 0 < sum(trial.state is TrialState.COMPLETED for trial in half.trials) < 4

    finished = paceline.finish(study, build, DATA, display=False)
    assert {trial.number: len(trial.measurements) for trial in finished.trials} == had
    assert finished.verdict is not None
    assert finished.record.tested is not None
    assert finished.record.ended is not None
    assert finished.record.ended.reason == "it was finished early, as asked"
    assert finished.best_model().predict(X, verbose=0).shape == (64, 2)

    whole = paceline.resume(study, build, DATA, trials=4, display=False)
    assert [len(trial.measurements) for trial in whole.trials] == [2] * 4


def test_finishing_a_finished_study_changes_nothing(tmp_path: Path) -> None:
    def score(hp: Any) -> float:
        return float(hp.Float("x", 0.0, 1.0))

    whole = paceline.tune(
        score, objective="max", trials=3, study=tmp_path / "s", final=False, display=False
    )
    again = paceline.finish(tmp_path / "s", score, display=False)
    assert whole.record.ended is not None
    assert again.record.ended is not None
    assert again.record.ended.reason == whole.record.ended.reason == "all 3 trials have ended"


def test_what_has_measured_nothing_cannot_be_finished(tmp_path: Path) -> None:
    def fails(hp: Any) -> float:
        raise RuntimeError(hp.Float("x", 0.0, 1.0))

    with pytest.raises(paceline.AllTrialsFailed):
        paceline.tune(fails, objective="max", trials=1, study=tmp_path / "s", display=False)
    with pytest.raises(paceline.InvalidInput, match="has measured nothing yet"):
        paceline.finish(tmp_path / "s", fails)


_STUBBORN = """
import pathlib, time
def forever(hp):
    hp.report(hp.Float("x", 0.0, 1.0))
    (pathlib.Path(__file__).parent / "going").touch()
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass
"""


def test_a_second_ctrl_c_ends_the_command_at_once(tmp_path: Path) -> None:
    program, study = tmp_path / "program.py", tmp_path / "s"
    program.write_text(_STUBBORN)
    command = [
        sys.executable,
        "-m",
        "paceline",
        "tune",
        f"{program}:forever",
        "--objective",
        "x:max",
    ]
    with subprocess.Popen(
        [*command, "--trials", "2", "--study", str(study)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _wait_for(study, lambda: (tmp_path / "going").exists())
            os.kill(process.pid, signal.SIGINT)
            _wait_for(
                study, lambda: any(isinstance(event, TrialPaused) for event in _events(study))
            )
            os.kill(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
    assert process.returncode == interrupts.INTERRUPTED
    assert "Stopped immediately; everything that was stored is kept." in errors
    assert "nothing had been written" not in errors
    assert "Traceback" not in errors
    assert paceline.load_study(study).trials[0].state is TrialState.PAUSED


_SLOW_TO_IMPORT = """
import multiprocessing, pathlib, threading
def objective(hp):
    return hp.Float("x", 0.0, 1.0)
if multiprocessing.parent_process() is not None:
    (pathlib.Path(__file__).parent / "importing").touch()
    threading.Event().wait()
"""


def test_a_worker_that_is_still_importing_says_nothing(tmp_path: Path) -> None:
    program, study = tmp_path / "program.py", tmp_path / "s"
    program.write_text(_SLOW_TO_IMPORT)
    command = [
        sys.executable,
        "-m",
        "paceline",
        "tune",
        f"{program}:objective",
        "--objective",
        "x:max",
    ]
    with subprocess.Popen(
        [*command, "--trials", "2", "--workers", "1", "--study", str(study)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            _wait_for(study, lambda: (tmp_path / "importing").exists())
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            _, errors = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
    assert process.returncode == interrupts.INTERRUPTED
    assert "Traceback" not in errors


@pytest.mark.parametrize("workers", [None, 1])
def test_a_function_may_change_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "program.py").write_text(
        "import os\ndef objective(hp):\n    os.chdir('below')\n    return hp.Float('x', 0.0, 1.0)\n"
    )
    monkeypatch.chdir(tmp_path)
    study = paceline.tune(
        "program.py:objective",
        objective="max",
        trials=2,
        seed=1,
        study="s",
        workers=workers,
        display=False,
    )
    assert Path.cwd() == tmp_path
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETED] * 2
    assert (tmp_path / "s" / "report.html").exists()


def _events(study: Path) -> list[Any]:
    store = StudyStore(study, writable=False)
    try:
        return [stored.event for stored in store.events()]
    finally:
        store.close()


def _wait_for(study: Path, met: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            if met():
                return
        except (paceline.PacelineError, IndexError):  # it has no tables, or no trials yet
            pass
        time.sleep(0.02)
    raise TimeoutError(f"{study} did not come so far")
