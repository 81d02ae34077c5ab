"""Functions in workers that join over HTTP: messages, signatures, leases, and the contract."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import paceline
from paceline.core import InvalidInput, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialStarted
from paceline.execute import Executor, FunctionWork, Job, Work
from paceline.execute.function_call import encoded
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.process_worker import importable
from paceline.execute.remote import mailbox
from paceline.execute.remote.client import Gone, StudyAddress, StudyClient
from paceline.execute.remote.lobby import LEASE_SECONDS, Lobby
from paceline.execute.remote.mailbox import Inbox, Malformed, Outbox
from paceline.execute.remote.server import StudyServer
from paceline.execute.remote.signing import (
    NONCE,
    is_signed_answer,
    is_signed_request,
    request_headers,
    sign_answer,
)
from paceline.execute.remote.supply import JoinedSupply
from paceline.execute.remote.worker import Invitation, RemoteWorker
from paceline.execute.versions import versions
from paceline.serving.address import listen
from paceline.space import Float, Space
from paceline.testing.executors import FunctionExecutorContract, falling

TOKEN = "0123456789abcdef"
WAIT = 600.0  # seconds, for what never comes: busy machines are slow
SPACE = Space([Float("x", 0.0, 1.0)])


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Served:
    """A study's server on this machine, and executors whose workers join there."""

    def __init__(self) -> None:
        self.clock, self.refusals = Clock(), list[str]()
        address = listen(port=0)
        self.url = address.url()
        self.lobby = Lobby(self.clock)
        self.server = StudyServer(address, TOKEN, self.lobby, self.refusals.append)
        self.server.study = "mnist"
        self._clients: list[StudyClient] = []

    def executor(self, work: Work, limit: int | None = None) -> Executor:
        assert isinstance(work, FunctionWork)
        load = importable(work.function, has_same_main=False)
        memory = work.limits.memory
        return FunctionExecutor.of(work, JoinedSupply(self.lobby, load, work.metric, limit, memory))

    def client(self, token: str = TOKEN, patience: float = 5.0) -> StudyClient:
        stop = threading.Event()
        client = StudyClient(StudyAddress(self.url), token, patience, stop, lambda _: None)
        self._clients.append(client)
        return client

    def close(self) -> None:
        self.server.close(is_over=False)
        for client in self._clients:
            client.close()

    def worker(
        self,
        study: str = "mnist",
        token: str = TOKEN,
        tell: Callable[[str], None] = lambda _: None,
    ) -> RemoteWorker:
        return RemoteWorker(Invitation(study, StudyAddress(self.url), token, WAIT), tell)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


class ByHand:
    """A worker whose messages a test writes; it calls nothing."""

    def __init__(self, served: Served, process: str = "p") -> None:
        self._client, self._process = served.client(), process
        about = {"study": "mnist", "versions": versions(), "process": process, "name": process}
        self.key = json.loads(self._client.post("/join", json.dumps(about).encode()))["key"]
        self._inbox, self._outbox, self._taken = Inbox(2**20), Outbox(), 0

    def receive(self) -> list[dict[str, Any]]:
        """The next messages, once there are some."""
        while True:
            body = self.ask()
            if found := self._inbox.take(body) if body else []:
                return [json.loads(one) for one in found if one.startswith(b"{")]

    def ask(self) -> bytes:
        about = {"after": self._inbox.num_taken, "process": self._process}
        return self._client.post(f"/{self.key}/receive", json.dumps(about).encode())

    def send(self, kind: str, **content: Any) -> None:
        self._outbox.put(encoded(kind, **content))
        body = self._outbox.body(self._taken)
        assert body is not None
        self._taken = json.loads(self._client.post(f"/{self.key}/send", body))["taken"]

    def report(self, step: int, trial: int = 0) -> None:
        self.send(
            "reported",
            trial=trial,
            step=step,
            metrics={"score": float(step)},
            waits=False,
            config={"x": 0.5},
            asked={},
            seconds=float(step),
        )

    def ended(self, trial: int = 0) -> None:
        self.send(
            "ended",
            trial=trial,
            score=1.0,
            error="",
            stopped=False,
            steps=2,
            has_extra_steps=False,
            metrics={},
            seeded=False,
            refused=None,
            config={"x": 0.5},
            asked={},
            seconds=2.0,
        )

    def end(self, loss: str) -> None:
        about = {"reason": "it was told to", "loss": loss, "leaves": True, "refused": False}
        content = json.dumps({**about, "process": self._process}).encode()
        self._client.post(f"/{self.key}/end", content)


def never(hp: Any) -> float:
    raise AssertionError("called in the test's own process")


def jobs(*xs: float) -> list[Job]:
    return [Job(number, {"x": x}, 0, epochs=2) for number, x in enumerate(xs)]


def events_until(executor: Executor, until: Callable[[Event], bool]) -> list[Event]:
    found: list[Event] = []
    while not any(map(until, found)):
        for update in executor.progress(WAIT):
            assert update.error is None, update.error
            found += update.events
    return found


def is_end(event: Event) -> bool:
    return isinstance(event, TrialEnded)


# -- messages


@given(
    st.lists(st.binary(max_size=40), max_size=8),
    st.randoms(use_true_random=False),
)
def test_each_message_arrives_once_whatever_is_repeated_or_lost(
    messages: list[bytes], random: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailbox, "PART_BYTES", 7)
        patch.setattr(mailbox, "BODY_BYTES", 30)
        outbox, inbox, arrived = Outbox(), Inbox(40), list[bytes]()
        waiting, known = list(messages), 0
        bodies: list[bytes] = []
        while waiting or (body := outbox.body(known)) is not None:
            if waiting and random.random() < 0.5:
                outbox.put(waiting.pop(0))
                continue
            if (body := outbox.body(known)) is None:
                continue
            bodies.append(body)
            if random.random() < 0.7:  # else the request is lost
                arrived += inbox.take(random.choice(bodies[-2:]))
                if random.random() < 0.7:  # else the answer is lost
                    known = inbox.num_taken
        assert arrived == messages


@given(st.binary(max_size=60))
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    inbox = Inbox(10)
    try:
        inbox.take(body)
    except Malformed:
        return
    assert len(body) >= 8


def test_a_message_that_is_too_long_is_refused() -> None:
    outbox, inbox = Outbox(), Inbox(10)
    outbox.put(bytes(11))
    body = outbox.body(0)
    assert body is not None
    with pytest.raises(Malformed, match="more than 10 bytes"):
        inbox.take(body)


def test_a_signature_is_of_one_request_and_one_answer() -> None:
    headers = request_headers(TOKEN, "/join", b"body")
    assert is_signed_request(TOKEN, "/join", headers)
    assert not is_signed_request(TOKEN[:-1] + "0", "/join", headers)
    assert not is_signed_request(TOKEN, "/other", headers)
    assert not is_signed_request(TOKEN, "/join", {})
    for name in headers:
        assert not is_signed_request(TOKEN, "/join", {**headers, name: "0" * 32})
    assert TOKEN not in str(headers)
    nonce, signature = headers[NONCE], sign_answer(TOKEN, headers[NONCE], 200, b"yes")
    assert is_signed_answer(TOKEN, nonce, 200, b"yes", signature)
    assert not is_signed_answer(TOKEN, nonce, 200, b"no", signature)
    assert not is_signed_answer(TOKEN, nonce, 410, b"yes", signature)
    assert not is_signed_answer(TOKEN, "0" * 32, 200, b"yes", signature)


# -- the server


def status_of(served: Served, path: str, body: bytes, headers: dict[str, str]) -> int:
    host = served.url.removeprefix("http://").rstrip("/")
    with closing(http.client.HTTPConnection(host, timeout=WAIT)) as connection:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status


def test_unsigned_changed_or_too_long_requests_are_refused(served: Served) -> None:
    assert status_of(served, "/join", b"{}", {}) == 401
    assert (
        status_of(served, "/join", b"{}", request_headers("another token....", "/join", b"{}"))
        == 401
    )
    signed = request_headers(TOKEN, "/join", b"{}")
    assert status_of(served, "/join", b"{ }", signed) == 400
    assert status_of(served, "/join", b"{}", signed) == 400  # signed, and nothing in it
    assert status_of(served, "/join", b"{}", {**signed, "Host": "evil.example"}) == 421
    long = bytes(mailbox.BODY_BYTES + 1)
    assert status_of(served, "/join", long, request_headers(TOKEN, "/join", long)) == 400
    assert served.lobby.take() is None


@pytest.mark.parametrize(
    ("token", "about", "message"),
    [
        ("a token of others", {}, "does not accept the token"),
        (TOKEN, {"study": "cifar"}, "is for study cifar, and this is the server of mnist"),
        (
            TOKEN,
            {"versions": {**versions(), "keras": "3.0"}},
            "the versions on the worker p differ: keras is 3.0 there and",
        ),
    ],
)
def test_a_worker_that_is_refused_gets_the_reason(
    served: Served, token: str, about: dict[str, Any], message: str
) -> None:
    usual = {"study": "mnist", "versions": versions(), "process": "p", "name": "p"}
    with pytest.raises(InvalidInput, match=message):
        served.client(token).post("/join", json.dumps({**usual, **about}).encode())
    assert len(served.refusals) == bool(about)


def test_a_recorded_request_to_join_is_refused(served: Served) -> None:
    about = {"study": "mnist", "versions": versions(), "process": "p", "name": "p"}
    body = json.dumps(about).encode()
    headers = request_headers(TOKEN, "/join", body)
    assert [status_of(served, "/join", body, headers) for _ in range(2)] == [200, 400]


def test_a_worker_trains_reports_and_is_used_again(served: Served) -> None:
    executor = served.executor(FunctionWork(never, "score", SPACE))
    with closing(executor):
        executor.submit(jobs(0.5, 0.5), {}, {})
        worker = ByHand(served)
        assert worker.receive()[0]["kind"] == "function"
        worker.send("ready")
        found: list[Event] = []
        for trial in (0, 1):
            ahead = threading.Thread(target=lambda: [worker.receive()], daemon=True)
            ahead.start()
            found += events_until(executor, lambda event: isinstance(event, TrialStarted))
            ahead.join(WAIT)
            worker.send("started", trial=trial)
            worker.report(1, trial)
            worker.ended(trial)
            found += events_until(executor, is_end)
        ends = [event for event in found if isinstance(event, TrialEnded)]
        assert [(end.number, end.state) for end in ends] == [
            (0, TrialState.COMPLETED),
            (1, TrialState.COMPLETED),
        ]


@pytest.mark.parametrize("loss", ["silence", "returned", "own"])
def test_a_lost_workers_trial_is_called_again(served: Served, loss: str) -> None:
    """It is called again, and steps are not reported twice; unless the call ended its worker."""
    executor = served.executor(FunctionWork(never, "score", SPACE))
    with closing(executor):
        executor.submit(jobs(0.5), {}, {})
        first = ByHand(served, "first")
        first.receive()
        first.send("ready")
        found = events_until(executor, lambda event: isinstance(event, TrialStarted))
        assert first.receive()[0]["kind"] == "run"
        first.send("started", trial=0)
        first.report(1)
        found += events_until(executor, lambda event: isinstance(event, EpochMeasured))
        second = ByHand(served, "second")
        second.receive()
        second.send("ready")
        if loss == "silence":
            served.clock.now += 0.7 * LEASE_SECONDS
            second.ask()
            served.clock.now += 0.7 * LEASE_SECONDS
        else:
            first.end(loss)
        if loss != "own":
            calling = threading.Thread(target=lambda: calls.append(second.receive()), daemon=True)
            calls: list[Any] = []
            calling.start()
            while not calls:
                for update in executor.progress(0.05):
                    found += update.events
                calling.join(0.01)
            assert calls[0][0]["kind"] == "run"
            second.report(1)
            second.report(2)
            second.ended()
        found += events_until(executor, is_end)
        steps = [event.epoch for event in found if isinstance(event, EpochMeasured)]
        assert steps == ([1] if loss == "own" else [1, 2])
        state = TrialState.FAILED if loss == "own" else TrialState.COMPLETED
        assert [event.state for event in found if isinstance(event, TrialEnded)] == [state]
        with pytest.raises(Gone):
            first.ask()


def test_a_trial_that_is_given_back_often_does_not_fail(served: Served) -> None:
    executor = served.executor(FunctionWork(never, "score", SPACE))
    with closing(executor):
        executor.submit(jobs(0.5), {}, {})
        for number in range(5):
            worker = ByHand(served, str(number))
            worker.receive()
            worker.send("ready")
            calls: list[Any] = []
            calling = threading.Thread(target=lambda: calls.append(worker.receive()), daemon=True)  # noqa: B023
            calling.start()
            while calling.is_alive():
                assert not any(map(is_end, (e for u in executor.progress(0.05) for e in u.events)))
            worker.end("returned")
        assert not executor.is_idle


# -- whole workers


def test_a_function_that_cannot_be_imported_ends_its_worker_only(served: Served) -> None:
    work = FunctionWork(falling, "loss", SPACE)
    executor = served.executor(work)
    with closing(executor):
        executor.submit(jobs(0.5), {}, {})
        named = {"module": "nowhere", "name": "f", "by_name": True}
        message = encoded("function", metric="loss", memory=None, **named)
        served.lobby.attach(lambda worker: worker.link.send_bytes(message), lambda: None)
        with pytest.raises(InvalidInput, match=r"cannot be loaded here .ModuleNotFoundError"):
            served.worker().run()
        assert "cannot work: the function of the study cannot be loaded" in served.refusals[0]
        assert not executor.is_idle


@pytest.mark.exhaustive
class TestJoinedWorkers(FunctionExecutorContract):
    @pytest.fixture
    def executor(self) -> Iterator[Any]:
        served = Served()
        joined = threading.Semaphore(0)
        workers = [served.worker(tell=lambda _: joined.release()) for _ in range(2)]
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        for _ in threads:  # who comes when all is over would wait for the server
            assert joined.acquire(timeout=WAIT)
        yield served.executor
        served.server.close(is_over=True)
        for thread in threads:
            thread.join(WAIT)


OBJECTIVE = """
def objective(hp):
    x = hp.Float("x", 0.0, 1.0)
    for step in range(1, 4):
        if not hp.report((x - 0.3) ** 2 / step):
            return
"""


def started(folder: Path, url: str, *options: str) -> "subprocess.Popen[str]":
    """The command ``paceline worker``."""
    command = [sys.executable, "-m", "paceline", "worker", "study", "--server", url, *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PACELINE_WORKER_TOKEN": TOKEN},
    )


@pytest.mark.exhaustive
def test_a_study_is_the_same_with_workers_that_join_and_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text(OBJECTIVE)
    monkeypatch.setenv("PACELINE_WORKER_TOKEN", TOKEN)
    address = listen(port=0)
    port = address.port
    address.socket.close()
    options: dict[str, Any] = {
        "trials": 12,
        "epochs": 3,
        "seed": 3,
        "search": "random",
        "in_flight": 3,
        "display": False,
    }
    function = f"{tmp_path / 'train.py'}:objective"
    alone = paceline.optimize(function, "min", study=tmp_path / "alone", **options)
    url = f"http://127.0.0.1:{port}"
    workers = [started(tmp_path, url), started(tmp_path, url)]

    class Leaving(paceline.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if trial.number == 4:
                workers[0].send_signal(signal.SIGTERM)
                workers.append(started(tmp_path, url))
                errors = workers[2].stderr
                assert errors is not None
                assert any("Joined study study" in line for line in errors)

    joined = paceline.optimize(
        function,
        "min",
        study=tmp_path / "study",
        executor="workers",
        address=f"127.0.0.1:{port}",
        callbacks=[Leaving()],
        **options,
    )
    ends = [worker.communicate(timeout=WAIT)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [143, 0, 0], ends
    assert [trial.config for trial in joined.trials] == [trial.config for trial in alone.trials]
    assert [trial.state for trial in joined.trials] == [trial.state for trial in alone.trials]
    assert [trial.score for trial in joined.trials] == [trial.score for trial in alone.trials]
