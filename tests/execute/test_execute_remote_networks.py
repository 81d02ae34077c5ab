"""Networks in engines that join over HTTP: given back, continued, refused; and the contract."""

import os
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import Pipe
from typing import Any

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
from tests.execute.test_execute_remote import WAIT, Served

from paceline.core import InvalidInput, PacelineError
from paceline.core.events import EpochMeasured, Noted
from paceline.execute import Executor, NetworkWork
from paceline.execute.engines.driver import EngineExecutor
from paceline.execute.engines.engine import run_engine
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.remote import worker as remote_worker
from paceline.execute.remote.children import EngineChild
from paceline.execute.remote.engines import JoinedEngines
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
        run_engine(self._inbox, self._send, lambda: FACTS, _simulated)
        self._shut()

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


@pytest.mark.exhaustive
class TestJoinedEngines(NetworkExecutorContract):
    @pytest.fixture
    def executor(self, served: Served, joined: Joined) -> Any:
        joined.add()
        joined.add()

        def make(work: NetworkWork) -> Executor:
            return EngineExecutor(work, JoinedEngines(served.lobby, None))

        return make
