"""Functions in any `concurrent.futures.Executor`: the contract, losses, limits and refusals."""

import os
import secrets
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.execute.pool_functions import deadly, fine, sometimes_deadly

import paceline
from paceline.core import InvalidInput, PacelineError, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialStarted
from paceline.execute import Executor, FunctionWork, Job, create
from paceline.execute.function_call import Function
from paceline.execute.pool_call import CannotConnect, accept, serve_call
from paceline.execute.worker_slot import TrialLimits
from paceline.space import Float, Space
from paceline.testing.executors import FunctionExecutorContract

SPACE = Space([Float("x", 0.0, 1.0)])


def processes(workers: int, **options: Any) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), **options)


@pytest.fixture(scope="module")
def process_pool() -> Iterator[ProcessPoolExecutor]:
    with processes(2) as pool:
        yield pool


@pytest.fixture
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class TestThreadPool(FunctionExecutorContract):
    @pytest.fixture
    def executor(self, thread_pool: ThreadPoolExecutor) -> Any:
        return thread_pool


class TestProcessPool(FunctionExecutorContract):
    @pytest.fixture
    def executor(self, process_pool: ProcessPoolExecutor) -> Any:
        return process_pool


@pytest.fixture(scope="module")
def loky_pool() -> Iterator[Pool]:
    loky = pytest.importorskip("loky", reason="loky is not installed")
    with loky.ProcessPoolExecutor(2) as pool:
        yield pool


class TestLoky(FunctionExecutorContract):
    @pytest.fixture
    def executor(self, loky_pool: Pool) -> Any:
        return loky_pool


@pytest.fixture(scope="module")
def dask_pool() -> Iterator[Pool]:
    distributed = pytest.importorskip("distributed", reason="Dask's distributed is not installed")
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with distributed.Client(**options, dashboard_address=":0") as client:
        yield client.get_executor()


class TestDask(FunctionExecutorContract):
    @pytest.fixture
    def executor(self, dask_pool: Pool) -> Any:
        return dask_pool


@pytest.fixture
def made() -> Iterator[Callable[..., Executor]]:
    """Makes executors, and closes them."""
    executors: list[Executor] = []

    def make(pool: Pool, function: Function, **options: Any) -> Executor:
        executors.append(create(pool, FunctionWork(function, "score", SPACE, **options)))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


def jobs(*xs: float) -> list[Job]:
    return [Job(number, {"x": x}, 0, epochs=2) for number, x in enumerate(xs)]


def events_of(executor: Executor) -> list[Event]:
    found: list[Event] = []
    while not executor.is_idle:
        for update in executor.progress():
            assert update.error is None, update.error
            found += update.events
    return found


def error_of(executor: Executor) -> BaseException:
    while True:
        for update in executor.progress():
            if update.error is not None:
                return update.error


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes like these")
def test_a_broken_pool_costs_the_trial_that_broke_it(
    made: Callable[..., Executor], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "meeting")
    with processes(2) as pool:
        executor = made(pool, partial(deadly, tmp_path / "meeting"))
        executor.submit(jobs(0.0, 0.5, 0.6), {}, {})
        found = events_of(executor)
    ends = {event.number: event for event in found if isinstance(event, TrialEnded)}
    assert {number: end.state for number, end in ends.items()} == {
        0: TrialState.FAILED,
        1: TrialState.COMPLETED,
        2: TrialState.COMPLETED,
    }
    assert "BrokenProcessPool" in ends[0].reason
    assert sorted(e.number for e in found if isinstance(e, TrialStarted)) == [0, 1, 2]
    for trial in (1, 2):  # no step is reported twice
        steps = [e.epoch for e in found if isinstance(e, EpochMeasured) and e.number == trial]
        assert steps == [1, 2]


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_a_study_goes_on_after_dask_has_lost_workers(tmp_path: Path, seed: int) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask's distributed is not installed")
    options = {"processes": True, "n_workers": 2, "threads_per_worker": 1}
    with distributed.Client(**options, dashboard_address=":0") as client:
        study = paceline.optimize(
            sometimes_deadly,
            "max",
            trials=8,
            epochs=3,
            executor=client.get_executor(),
            workers=3,
            study=tmp_path / "study",
            seed=seed,
            final=False,
        )
    for trial in study.trials:
        assert (trial.state is TrialState.FAILED) == (float(trial.config["x"]) > 0.7)


@pytest.mark.filterwarnings("ignore")
def test_a_pool_that_cannot_start_is_an_error(made: Callable[..., Executor]) -> None:
    with processes(1, initializer=os._exit, initargs=(3,)) as pool:
        executor = made(pool, fine)
        executor.submit(jobs(0.5), {}, {})
        error = error_of(executor)
    assert isinstance(error, PacelineError)
    assert "BrokenProcessPool" in str(error)
    assert "before it could begin" in str(error)


def test_a_function_that_the_pool_cannot_import_is_an_error(
    made: Callable[..., Executor],
    process_pool: ProcessPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("not_on_any_path")
    exec("def objective(hp): return 1.0", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    executor = made(process_pool, module.objective)
    executor.submit(jobs(0.5), {}, {})
    error = error_of(executor)
    assert isinstance(error, InvalidInput)
    assert "No module named 'not_on_any_path'" in str(error)
    assert "PYTHONPATH" in str(error)


def test_a_function_that_cannot_be_copied_needs_threads(
    made: Callable[..., Executor],
    process_pool: ProcessPoolExecutor,
    thread_pool: ThreadPoolExecutor,
) -> None:
    lock = threading.Lock()

    def locked(hp: Any) -> float:
        with lock:
            return fine(hp)

    with pytest.raises(InvalidInput, match=r"locked refers to .*lock.*ThreadPoolExecutor"):
        made(process_pool, locked)
    executor = made(thread_pool, locked)
    executor.submit(jobs(0.5, 0.25), {}, {})
    scores = {e.number: e.score for e in events_of(executor) if isinstance(e, TrialEnded)}
    assert scores == {0: 0.5, 1: 0.25}


def test_a_time_limit_interrupts_the_function(
    made: Callable[..., Executor], thread_pool: ThreadPoolExecutor
) -> None:
    ended = threading.Event()

    def endless(hp: Any) -> float:
        try:
            while True:
                pass  # allocates nothing: no finalizer runs here, which would lose the exception
        finally:
            ended.set()

    executor = made(thread_pool, endless, limits=TrialLimits(0.1))
    executor.submit(jobs(0.5), {}, {})
    (end,) = [event for event in events_of(executor) if isinstance(event, TrialEnded)]
    assert end.state is TrialState.FAILED
    assert "time_limit, 0.1 seconds" in end.reason
    assert ended.wait(600.0)


def test_only_who_has_the_key_is_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address, key = server.getsockname(), secrets.token_bytes(32)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(serve_call, address, b"another key", lambda: fine, "score")
            assert accept(server, key) is None
            with pytest.raises(Exception, match=r"digest|cannot connect"):
                call.result()
    with pytest.raises(CannotConnect, match="cannot connect to the study at"):
        serve_call(address, key, lambda: fine, "score")


def test_what_a_pool_cannot_do_is_refused(tmp_path: Path, thread_pool: ThreadPoolExecutor) -> None:
    study = tmp_path / "study"
    tune = partial(paceline.optimize, fine, "min", trials=2, study=study)

    class Sizeless(Pool):
        pass

    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    with pytest.raises(InvalidInput, match=r"memory_limit was given.*ThreadPool.*workers=4"):
        tune(executor=thread_pool, memory_limit="1GiB")
    with pytest.raises(InvalidInput, match=r"Sizeless that does not say how many .*workers=4"):
        tune(executor=Sizeless())
    with pytest.raises(InvalidInput, match=r"ThreadPoolExecutor, and networks are tuned.*executor"):
        paceline.tune(lambda hp: hp, ([[1.0]], [1.0]), trials=2, study=study, executor=thread_pool)
    with pytest.raises(
        InvalidInput, match=r"the class ThreadPoolExecutor; .*such as Thread.*\(4\)"
    ):
        tune(executor=ThreadPoolExecutor)
    assert not study.exists()
    with pytest.raises(InvalidInput, match=r"accepts no calls .*with block"):
        tune(executor=closed)


def test_a_study_in_a_pool_is_that_of_this_process(
    tmp_path: Path, thread_pool: ThreadPoolExecutor
) -> None:
    def objective(hp: Any) -> None:
        x = hp.Float("x", 0.0, 1.0)
        for step in range(1, 4):
            if not hp.report((x - 0.3) ** 2 / step, step=step):
                return

    def trials(result: Any) -> Any:
        return [(one.config, one.state, one.score) for one in result.trials]

    tune = partial(paceline.optimize, objective, "min", epochs=3, seed=1, final=False)
    here = tune(trials=8, in_flight=2, study=tmp_path / "here")
    tune(trials=4, study=tmp_path / "pool", executor=thread_pool)
    whole = paceline.resume(tmp_path / "pool", trials=8, build=objective, executor=thread_pool)
    assert trials(whole) == trials(here)

    class SmallerThanExpected(Pool):
        """Calls wait in its queue while paused trials have all places."""

        def submit(self, function: Any, /, *args: Any, **options: Any) -> Any:
            return thread_pool.submit(function, *args, **options)

    small = tune(trials=8, workers=3, study=tmp_path / "small", executor=SmallerThanExpected())
    assert trials(small) == trials(tune(trials=8, in_flight=3, study=tmp_path / "three"))
