"""Networks in engines that join over HTTP: given back, continued, refused; and the contract."""

import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.execute.engine_threads import FACTS
from tests.execute.test_execute_engines import (
    _DATA,
    _OPTIONS,
    _SPACE,
    _jobs,
    _simulated,
    _trained,
)
from tests.execute.test_execute_remote import TOKEN, WAIT, Served, started

import paceline
from paceline.core import InvalidInput, PacelineError
from paceline.core.events import EpochMeasured, Noted
from paceline.execute import Executor, NetworkWork
from paceline.execute.engines.driver import EngineExecutor
from paceline.execute.engines.engine import run_engine
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.remote import worker as remote_worker
from paceline.execute.remote.children import EngineChild
from paceline.execute.remote.engines import JoinedEngines
from paceline.serving.address import listen
from paceline.testing.executors import NetworkExecutorContract, TrialLog, finish, small_network

WORK = NetworkWork(small_network, _DATA, _OPTIONS, _SPACE)


class EngineThread(EngineChild):
    """An engine in a thread, whose networks are simulated."""

    def __init__(self, _: Any = None) -> None:
        self.link, self._other = Pipe()
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def death(self, seconds: float = 0.0) -> str | None:
        return None if self._thread.is_alive() else "it has ended"

    def close(self) -> None:
        self.link.close()
        self._thread.join(WAIT)

    def _read(self) -> None:
        try:
            while True:
                self._inbox.put(decoded(self._other.recv_bytes()))
        except (EOFError, OSError):
            self._inbox.put(None)

    def _run(self) -> None:
        self._answer()
        self._shut()

    def _answer(self) -> None:
        run_engine(self._inbox, self._send, lambda: FACTS, _simulated)

    def _shut(self) -> None:
        """Ends the connection."""
        with socket.socket(fileno=os.dup(self._other.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)
        self._reader.join(WAIT)
        self._other.close()

    def _send(self, message: Message) -> None:
        self._other.send_bytes(encoded(message))


class Joined:
    """Workers in threads of the test."""

    def __init__(self, served: Served) -> None:
        self.workers: list[Any] = []
        self.errors: list[BaseException] = []
        self._served, self._threads = served, list[threading.Thread]()

    def add(self) -> None:
        worker = self._served.worker()
        self.workers.append(worker)

        def run() -> None:
            try:
                worker.run()
            except PacelineError as error:
                self.errors.append(error)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def wait(self, number: int) -> None:
        self._threads[number].join(WAIT)
        assert not self._threads[number].is_alive()

    def close(self) -> None:
        self._served.server.close(is_over=True)
        for number in range(len(self._threads)):
            self.wait(number)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def joined(served: Served) -> Iterator[Joined]:
    made = Joined(served)
    yield made
    made.close()


def engines(served: Served, limit: int | None = None) -> EngineExecutor:
    return EngineExecutor(WORK, JoinedEngines(served.lobby, limit), FACTS)


def test_engines_join_and_give_their_trials_back(
    served: Served, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_worker, "started", EngineThread)
    with closing(engines(served)) as executor:
        log, jobs = TrialLog(), _jobs(12)
        joined.add()
        executor.submit(jobs, {}, {})
        while not log.measured:
            for update in executor.progress(WAIT):
                log.take(update)
        joined.workers[0].end()
        joined.add()
        joined.add()
        joined.wait(0)
        finish(executor, log)
        _trained(log, jobs)
        assert log.ended.keys() == {job.trial for job in jobs}


def test_a_build_that_cannot_be_imported_ends_its_worker_only(
    served: Served, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(EngineThread):
        def _send(self, message: Message) -> None:
            if message.kind == "ready":
                message = Message("refused", {"import": "ModuleNotFoundError: nowhere"})
            super()._send(message)

    monkeypatch.setattr(remote_worker, "started", Refusing)
    with closing(engines(served)) as executor:
        executor.submit(_jobs(2), {}, {})
        joined.add()
        notes: list[str] = []
        while not notes:
            for update in executor.progress(WAIT):
                assert update.error is None
                notes += [event.text for event in update.events if isinstance(event, Noted)]
        joined.wait(0)
        assert "cannot take part" in notes[0]
        assert "the build function of the study cannot be loaded here" in str(joined.errors[0])
        assert isinstance(joined.errors[0], InvalidInput)
        assert not executor.is_idle


def test_an_engine_that_cannot_start_is_not_tried_for_ever(
    served: Served, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(EngineThread):
        def _run(self) -> None:
            self._shut()

    monkeypatch.setattr(remote_worker, "started", Dying)
    with closing(engines(served)) as executor:
        executor.submit(_jobs(2), {}, {})
        joined.add()
        joined.wait(0)
        assert "has ended 2 times before it could begin" in str(joined.errors[0])


def test_no_more_engines_than_wanted(
    served: Served, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_worker, "started", EngineThread)
    with closing(engines(served, 1)) as executor:
        joined.add()
        joined.add()
        jobs, log = _jobs(6), TrialLog()
        executor.submit(jobs, {}, {})
        names = set()
        while not executor.is_idle:
            for update in executor.progress(WAIT):
                names |= {update.worker for e in update.events if isinstance(e, EpochMeasured)}
                log.take(update)
            assert executor.num_engines <= 1
        _trained(log, jobs)


class NetworkThread(EngineThread):
    """An engine in a thread that trains; there may be one at a time, as Keras has global state."""

    def _answer(self) -> None:
        run_engine(self._inbox, self._send, lambda: FACTS)


@pytest.mark.exhaustive
class TestJoinedEngines(NetworkExecutorContract):
    @pytest.fixture
    def executor(
        self, served: Served, joined: Joined, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[NetworkWork], Executor]:
        monkeypatch.setattr(remote_worker, "started", NetworkThread)
        joined.add()
        return lambda work: EngineExecutor(work, JoinedEngines(served.lobby, None), FACTS)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A study's server, and two commands ``paceline worker`` that join it."""
    served = Served()
    served.server.study = "study"
    folder = tmp_path_factory.mktemp("workers")
    workers = [started(folder, served.url) for _ in range(2)]
    yield served
    served.server.close(is_over=True)
    ends = [worker.communicate(timeout=WAIT)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], ends


@pytest.mark.exhaustive
class TestTwoWorkers(NetworkExecutorContract):
    """They join each executor anew."""

    @pytest.fixture
    def executor(self, commands: Served) -> Callable[[NetworkWork], Executor]:
        return lambda work: EngineExecutor(work, JoinedEngines(commands.lobby, None), FACTS)


@pytest.mark.exhaustive
def test_a_study_of_networks_is_the_same_with_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands ``paceline worker`` train it, with Keras callbacks; one is told to end."""
    monkeypatch.setenv("PACELINE_WORKER_TOKEN", TOKEN)
    address = listen(port=0)
    port = address.port
    address.socket.close()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype("float32")
    data = x, (x[:, 0] - x[:, 1] ** 2).astype("float32")
    options: dict[str, Any] = {
        "objective": "val_loss",
        "trials": 6,
        "epochs": 8,
        "batch_size": 16,
        "search": "random",
        "final": False,
        "seed": 1,
        "display": False,
    }

    def halved(epoch: int, rate: float) -> float:
        return rate * 0.5 if epoch == 3 else rate

    def keras_callbacks() -> list[Any]:
        return [
            keras.callbacks.LearningRateScheduler(halved),
            keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.05),
        ]

    alone = paceline.tune(
        small_network, data, study=tmp_path / "alone", callbacks=keras_callbacks(), **options
    )
    url = f"http://127.0.0.1:{port}"
    workers = [started(tmp_path, url), started(tmp_path, url)]

    class Ending(paceline.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if trial.number == 0:
                workers[0].send_signal(signal.SIGTERM)

    where: dict[str, Any] = {
        "executor": "workers",
        "address": f"127.0.0.1:{port}",
        "callbacks": [Ending(), *keras_callbacks()],
    }
    joined = paceline.tune(small_network, data, study=tmp_path / "study", **options, **where)
    ends = [worker.communicate(timeout=WAIT)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [143, 0], ends
    assert [trial.config for trial in joined.trials] == [trial.config for trial in alone.trials]
    assert [trial.state for trial in joined.trials] == [trial.state for trial in alone.trials]
    assert joined.record.early_ends == alone.record.early_ends
    assert joined.record.early_ends
    scores = [[trial.score or 0.0 for trial in one.trials] for one in (joined, alone)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
