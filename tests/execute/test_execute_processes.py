"""Networks in several processes: the contract, and the same study as in one process."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.execute.engine_functions import small

import paceline
from paceline.core import InvalidInput, Measurement, Trial
from paceline.execute import ExecutorFactory, Processes
from paceline.execute.engines.options import shares
from paceline.testing.executors import NetworkExecutorContract

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(240, 6)).astype("float32")
_Y = (_X[:, 0] * _X[:, 1] + _X[:, 2]).astype("float32")


@pytest.mark.exhaustive
class TestProcessesContract(NetworkExecutorContract):
    """The contract of executors, in two processes."""

    @pytest.fixture
    def executor(self) -> ExecutorFactory:
        """Two engines."""
        return Processes(workers=2)


class KillsEngines(paceline.Callback):
    """Kills a process of an engine after some epochs of the study.

    Attributes:
        killed: how many were killed.
    """

    def __init__(self, *epochs: int) -> None:
        self.killed, self._epochs, self._seen = 0, epochs, 0

    def on_epoch_end(self, study: Any, trial: Trial, measurement: Measurement) -> None:
        """Counts epochs of all trials."""
        self._seen += 1
        due = sum(epoch <= self._seen for epoch in self._epochs) > self.killed
        own = [one for one in _engines() if str(trial.worker).endswith(f":{one.pid}")]
        if due and own:  # one that trains: another one may not have started
            (engine,) = own
            os.kill(engine.pid or 0, signal.SIGKILL)
            engine.join()
            self.killed += 1


def _engines() -> list[Any]:
    children = multiprocessing.active_children()
    return sorted(
        (one for one in children if one.name == "paceline-engine"), key=lambda one: one.pid or 0
    )


def _study(directory: Path, **options: Any) -> paceline.Study:
    given: dict[str, Any] = {"trials": 8, "epochs": 9, "search": "bayes", "schedule": "asha"}
    given |= {"final": "off", "seed": 3, "display": False, "refit": False, **options}
    return paceline.tune(small, (_X, _Y), "val_loss", study=directory, **given)


def _content(study: paceline.Study) -> list[Any]:
    """What has to be equal, whatever the number of engines."""
    return [
        (
            dict(one.config),
            one.state,
            one.score,
            [m.metrics for m in one.measurements],
        )
        for one in study.trials
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The study in one process."""
    return _content(_study(tmp_path_factory.mktemp("one") / "s"))


@pytest.mark.exhaustive
def test_a_study_in_a_process_is_the_same(tmp_path: Path) -> None:
    """With a small study; the name of the engine is in the record."""
    options: dict[str, Any] = {"trials": 2, "epochs": 1, "search": "random", "schedule": "full"}
    inside = _study(tmp_path / "inside", **options)
    outside = _study(tmp_path / "outside", **options, executor="processes", workers=1)
    assert _content(outside) == _content(inside)
    (worker,) = {trial.worker for trial in outside.trials}
    assert worker is not None
    assert worker.partition(":")[0] == socket.gethostname()
    assert not _engines()


@pytest.mark.exhaustive
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_engines_gives_the_same_study(
    tmp_path: Path, expected: list[Any], workers: int
) -> None:
    """Configurations, states, measurements and scores are equal, bit for bit."""
    study = _study(tmp_path / "s", executor=Processes(workers=workers))
    assert _content(study) == expected
    # one that starts late may find nothing left to train
    assert 1 <= len({trial.worker for trial in study.trials}) <= workers


@pytest.mark.exhaustive
def test_killed_engines_change_nothing(tmp_path: Path, expected: list[Any]) -> None:
    """Two are killed while they train; others take their places, and the study says so."""
    killer = KillsEngines(4, 17)
    study = _study(tmp_path / "s", executor="processes", workers=2, callbacks=[killer])
    assert killer.killed == 2
    assert _content(study) == expected
    assert any(" was lost: " in note for note in study.record.notes)


@pytest.mark.exhaustive
def test_folds_and_the_final_run_in_engines(tmp_path: Path) -> None:
    """They are those of one process."""
    options: dict[str, Any] = {"trials": 3, "epochs": 2, "search": "random", "schedule": "full"}
    options |= {"folds": 2, "final": 2}
    inside = _study(tmp_path / "inside", **options)
    outside = _study(tmp_path / "outside", **options, executor="processes", workers=2)
    assert _content(outside) == _content(inside)
    one, other = outside.record.final, inside.record.final
    assert one is not None
    assert other is not None
    assert replace(one, seconds={}) == replace(other, seconds={})


_PROGRAM = """
import sys
import numpy as np
import paceline
from tests.execute.engine_functions import small

def main():
    x = np.random.default_rng(0).normal(size=(240, 6)).astype("float32")
    y = (x[:, 0] * x[:, 1] + x[:, 2]).astype("float32")
    study = paceline.tune(small, (x, y), "val_loss", study=sys.argv[1], trials=400, epochs=50,
        search="random", schedule="full", final="off", display=False, seed=3,
        executor="processes", workers=2, callbacks=[Tells()])

class Tells(paceline.Callback):
    def on_trial_end(self, study, trial):
        print("ended", flush=True)

GUARD
"""


def _started(tmp_path: Path, guard: str) -> "subprocess.Popen[str]":
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.replace("GUARD", guard))
    return subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.exhaustive
def test_ctrl_c_stops_the_engines_and_the_study_resumes(tmp_path: Path) -> None:
    """All processes end; the study continues in one process."""
    running = _started(tmp_path, "if __name__ == '__main__':\n    main()")
    assert running.stdout is not None
    assert running.stdout.readline() == "ended\n"
    import psutil

    children = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=600)
    assert "interrupted" in errors.lower(), errors
    assert not psutil.wait_procs(children, timeout=600)[1]
    before = paceline.load_study(tmp_path / "s")
    ended = [trial for trial in before.trials if trial.state.is_final]
    study = paceline.resume(
        tmp_path / "s", small, (_X, _Y), trials=len(before.trials), executor="local", display=False
    )
    again = {trial.number: trial for trial in study.trials}
    assert all(again[trial.number].score == trial.score for trial in ended)


@pytest.mark.exhaustive
def test_a_script_without_a_main_guard_is_refused(tmp_path: Path) -> None:
    """The message says what to write."""
    running = _started(tmp_path, "main()")
    _, errors = running.communicate(timeout=600)
    assert running.returncode != 0
    assert errors.rstrip().endswith("call tune under: if __name__ == '__main__':"), errors


def test_cores_are_divided() -> None:
    """Each core is in one share; with fewer cores than shares, some are in several."""
    assert shares([0, 1, 2, 3, 4], 2) == [(0, 1), (2, 3, 4)]
    assert shares([4, 7], 2) == [(4,), (7,)]
    assert shares([4, 7], 3) == [(4,), (7,), (4,)]


def test_what_cannot_run_in_processes_is_refused(tmp_path: Path) -> None:
    """Before anything is trained, with what to do."""

    def area(hp: Any) -> float:
        return float(hp.Float("x", 0.0, 1.0))

    with pytest.raises(InvalidInput, match="which trains networks, and a function is tuned"):
        paceline.tune(area, objective="max", trials=1, executor="processes", study=tmp_path / "a")
    with pytest.raises(InvalidInput, match="workers was given with a study of networks"):
        _study(tmp_path / "b", workers=2)
    with pytest.raises(InvalidInput, match="workers is 0"):
        Processes(workers=0)
    lock = multiprocessing.get_context("spawn").Lock()

    def locked(hp: Any) -> Any:
        with lock:
            return small(hp)

    with pytest.raises(InvalidInput, match="refers to something that cannot be copied"):
        paceline.tune(
            locked,
            (_X, _Y),
            "val_loss",
            study=tmp_path / "c",
            trials=1,
            epochs=1,
            executor="processes",
            workers=1,
            display=False,
        )
