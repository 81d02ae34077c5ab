"""Function objectives: scores, schedules, failures, limits and cleanup."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from paceline.core import InvalidInput, PacelineError, TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SpaceChanged,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute import ExecutorFactory, Job
from paceline.execute.function_call import Function
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.process_worker import ProcessWorker, importable
from paceline.execute.thread_worker import ThreadWorker
from paceline.execute.worker_slot import TrialLimits, WorkerSlot
from paceline.execute.worker_supply import Workers
from paceline.space import Float, HyperParameters, Space
from paceline.testing.executors import FunctionExecutorContract, falling

SPACE = Space([Float("x", 0.0, 1.0)])
Make = Callable[..., FunctionExecutor]


def squared(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0) ** 2)


def reporting(hp: Any) -> None:
    for step in range(1, 7):
        if not hp.report({"score": hp.Float("x", 0.0, 1.0) * step, "cost": step}, step=step):
            return


def deaf(hp: Any) -> float:
    for step in range(10**6):
        hp.report(step)
    return 0.0


def wrong(hp: Any) -> Any:
    """Fails in the way selected by x; succeeds at 0."""
    ways: dict[float, Callable[[], Any]] = {
        0.1: lambda: 1 / 0,
        0.2: lambda: None,
        0.3: lambda: "good",
        0.4: lambda: 1 + 2j,
        0.5: lambda: float("nan"),
        0.6: lambda: {"loss": 1.0},
        0.7: lambda: sys.exit(3),
        0.8: lambda: True,
        0.9: lambda: np.zeros(2),
    }
    return ways.get(hp.Float("x", 0.0, 1.0), lambda: 1.0)()


def deadly(hp: Any) -> float:
    """Dies in the way selected by x; succeeds at 0."""
    x = hp.Float("x", 0.0, 1.0)
    if x == 0.1:
        os._exit(7)
    if x == 0.2:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 0.3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return 1.0


def endless(hp: Any) -> float:
    if hp.Float("x", 0.0, 1.0) > 0.5:
        threading.Event().wait()
    return 1.0


def greedy(hp: Any) -> float:
    if hp.Float("x", 0.0, 1.0) > 0.5:
        held = np.ones(2**27)  # 1 GiB
        threading.Event().wait()
        return float(held[0])
    return 1.0


def growing(hp: Any) -> float:
    if hp.Boolean("deep"):
        hp.Int("width", 1, 9, default=4)
    return float(hp.Float("x", 0.0, 1.0, default=0.25))


def with_a_child(hp: Any) -> float:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"], stdout=-1
    )
    assert child.stdout is not None
    child.stdout.readline()
    hp.report({"score": 1.0, "child": child.pid})
    threading.Event().wait()
    return 1.0


_SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
_ORPHANS = (
    "import subprocess, sys; "
    f"child = subprocess.Popen([sys.executable, '-c', {_SLEEPS!r}], start_new_session=True); "
    "print(child.pid, flush=True)"
)


def with_one_that_left(hp: Any) -> float:
    """Starts a process in another session; for large x also one whose parent ends at once."""
    if hp.Float("x", 0.0, 1.0) < 0.5:
        pid = subprocess.Popen([sys.executable, "-c", _SLEEPS], start_new_session=True).pid
    else:
        parent = subprocess.Popen([sys.executable, "-c", _ORPHANS], stdout=-1)
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.wait()
    hp.report({"score": 1.0, "child": pid})
    threading.Event().wait()
    return 1.0


class TestInline(FunctionExecutorContract):
    """In a thread of this process."""

    @pytest.fixture
    def executor(self) -> str:
        return "local"


class TestProcesses(FunctionExecutorContract):
    """In two processes."""

    @pytest.fixture
    def executor(self) -> ExecutorFactory:
        return lambda work: FunctionExecutor(
            Workers(partial(ProcessWorker, importable(falling), "loss"), 2), SPACE, TrialLimits()
        )


@pytest.fixture
def made() -> Iterator[Make]:
    """Creates executors, and closes them."""
    executors: list[FunctionExecutor] = []

    def make(
        function: Function, workers: int = 0, space: Space = SPACE, **limits: Any
    ) -> FunctionExecutor:
        place: Callable[[], Any] = partial(ThreadWorker, function, "score")
        if workers:
            place = partial(ProcessWorker, importable(function), "score")
        executors.append(
            FunctionExecutor(Workers(place, max(1, workers)), space, TrialLimits(**limits))
        )
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


def jobs(*xs: float, epochs: int = 1, until: int | None = None) -> list[Job]:
    return [Job(number, {"x": x}, 0, epochs, until) for number, x in enumerate(xs)]


def work_off(executor: FunctionExecutor) -> list[Event]:
    events: list[Event] = []
    while not executor.is_idle:
        for progress in executor.progress(30.0):
            assert progress.error is None, progress.error
            events += progress.events
    return events


def ends(events: list[Event]) -> dict[int, TrialEnded]:
    found = [event for event in events if isinstance(event, TrialEnded)]
    assert len({event.number for event in found}) == len(found)
    return {event.number: event for event in found}


def measured(events: list[Event], number: int = 0) -> list[float]:
    """The scores of a trial; the steps are 1, 2, 3, ..."""
    found = [
        event for event in events if isinstance(event, EpochMeasured) and event.number == number
    ]
    assert [event.epoch for event in found] == list(range(1, len(found) + 1))
    assert all(later.seconds >= earlier.seconds for earlier, later in pairwise(found))
    return [event.metrics["score"] for event in found]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_returned_value_is_the_score(made: Make, workers: int) -> None:
    executor = made(squared, workers)
    executor.submit(jobs(0.0, 0.5, 1.0, 0.25), {}, {})
    events = work_off(executor)
    assert {number: end.score for number, end in ends(events).items()} == {
        0: 0.0,
        1: 0.25,
        2: 1.0,
        3: 0.0625,
    }
    assert measured(events, 1) == [0.25]
    begun = [event.number for event in events if isinstance(event, TrialStarted)]
    assert begun == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_function_waits_for_the_schedule(made: Make, workers: int) -> None:
    executor = made(reporting, workers)
    executor.submit(jobs(1.0, 0.5, epochs=6, until=2)[: max(1, workers)], {}, {})
    events = work_off(executor)
    assert measured(events) == [1.0, 2.0]
    assert isinstance([event for event in events if event.number == 0][-1], TrialPaused)  # type: ignore[union-attr]
    assert not ends(events)
    executor.submit(jobs(1.0, epochs=6, until=4), {}, {})  # continues, and waits again
    if workers:
        executor.forget([1])
    events += work_off(executor)
    assert measured(events) == [1.0, 2.0, 3.0, 4.0]
    executor.submit(jobs(1.0, epochs=6, until=6), {}, {})
    events += work_off(executor)
    assert measured(events) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert ends(events).keys() == {0}
    assert (ends(events)[0].score, ends(events)[0].best_epoch) == (6.0, 6)
    if workers:
        assert measured(events, 1) == [0.5, 1.0]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("function", [reporting, deaf])
def test_a_stopped_function_frees_its_worker(made: Make, function: Function, workers: int) -> None:
    executor = made(function, workers)
    executor.submit(jobs(1.0, epochs=6, until=2), {}, {})
    work_off(executor)
    executor.forget([0])
    executor.submit([Job(1, {"x": 0.5}, 0, 6, 3)], {}, {})
    events = work_off(executor)
    assert all(event.number == 1 for event in events)  # type: ignore[union-attr]
    assert len(measured(events, 1)) == 3


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failure_is_recorded_with_its_reason(made: Make, workers: int) -> None:
    executor = made(wrong, workers)
    executor.submit(jobs(*(i / 10 for i in range(10)), 0.05), {}, {})
    found = ends(work_off(executor))
    assert [found[n].state for n in (0, 10)] == [TrialState.COMPLETED] * 2
    assert all(found[n].state is TrialState.FAILED and found[n].score is None for n in range(1, 10))
    messages = [
        "ZeroDivisionError",
        "returned None; expected a finite number",
        "'good', a str",
        "a complex",
        "its score is nan",
        "returned the metrics 'loss'; expected the objective 'score'",
        "SystemExit: 3",
        "a bool",
        "a ndarray",
    ]
    for number, words in enumerate(messages, 1):
        assert words in found[number].reason
    assert "1 / 0" in found[1].reason  # the line of the user's code
    assert "calling.py" not in found[1].reason


def reports(*given: tuple[Any, ...]) -> Function:
    def function(hp: Any) -> None:
        for one in given:
            hp.report(*one)

    return function


@pytest.mark.parametrize(
    ("given", "words", "steps"),
    [
        ([(1.0, 1), (2.0, 3)], "step=3; expected step=2", 1),
        ([(1.0, 1), (2.0, 1)], "step=1; expected step=2", 1),
        ([(1.0, 0)], "step=0; expected step=1. Steps are counted from 1", 0),
        ([(1.0, "first")], "step='first'", 0),
        ([(1.0,), (None,)], "hp.report was given None", 1),
        ([(1.0,), ("2",)], "'2', a str", 1),
        ([({"score": 1.0, "loss": [1]},)], "'loss' as '[1]', a list", 0),
        ([({"accuracy": 1.0},)], "'accuracy'; expected the objective 'score'", 0),
        ([(1.0,), (float("inf"),), (2.0,)], "diverged: its score is inf after step 2", 2),
        ([], "the function returned None", 0),
    ],
)
def test_a_wrong_report_fails_the_trial(
    made: Make, given: list[tuple[Any, ...]], words: str, steps: int
) -> None:
    executor = made(reports(*given))
    executor.submit(jobs(0.5, epochs=9), {}, {})
    events = work_off(executor)
    assert ends(events)[0].state is TrialState.FAILED
    assert words in ends(events)[0].reason
    assert len(measured(events)) == steps


def test_a_caught_misuse_still_fails_the_trial(made: Make) -> None:
    def swallows(hp: Any) -> float:
        with suppress(ValueError):
            hp.report("high")
        return 1.0

    executor = made(swallows)
    executor.submit(jobs(0.5), {}, {})
    assert "'high', a str" in ends(work_off(executor))[0].reason


def test_the_value_returned_after_reports_is_the_score(made: Make) -> None:
    def best_of(hp: Any) -> float:
        for score in (1.0, 5.0, 2.0):
            hp.report(np.float32(score))
        return 5.0

    executor = made(best_of)
    executor.submit(jobs(0.5, epochs=3), {}, {})
    events = work_off(executor)
    assert measured(events) == [1.0, 5.0, 2.0]
    assert ends(events)[0].score == 5.0


@pytest.mark.parametrize("workers", [0, 2])
def test_hyperparameters_of_functions_are_added_to_the_space(made: Make, workers: int) -> None:
    executor = made(growing, workers, Space())
    executor.submit(
        [Job(0, {}, 0, 1), Job(1, {"deep": True}, 0, 1), Job(2, {"deep": True, "width": 2}, 0, 1)],
        {},
        {},
    )
    events = work_off(executor)
    assert set(executor.space.names) == {"deep", "x", "width"}
    spaces = [Space.from_json(event.space) for event in events if isinstance(event, SpaceChanged)]
    assert spaces[-1] == executor.space
    used = {event.number: event.config for event in events if isinstance(event, TrialStarted)}
    assert used[0] == {"deep": False, "x": 0.25}
    # new hyperparameters of later trials are not at their defaults
    assert used[2]["width"] == 2
    assert used[1]["x"] != used[2]["x"] != 0.25
    # the condition of width is inferred
    assert [condition.parent for condition in executor.space["width"].conditions] == ["deep"]


def test_a_dead_worker_is_recorded_and_replaced(made: Make) -> None:
    executor = made(deadly, 1)
    executor.submit(jobs(0.0, 0.1, 0.2, 0.3, 0.4), {}, {})
    found = ends(work_off(executor))
    assert [found[n].state is TrialState.FAILED for n in range(5)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert "exit code 7" in found[1].reason
    assert "signal 9 (SIGKILL)" in found[2].reason
    assert "signal 11 (SIGSEGV)" in found[3].reason


@pytest.mark.exhaustive
def test_only_a_trial_over_its_limits_is_ended(made: Make) -> None:
    late = made(endless, 2, seconds=3.0)
    late.submit(jobs(0.0, 1.0, 0.1, 0.2), {}, {})
    found = ends(work_off(late))
    assert [found[n].state is TrialState.FAILED for n in range(4)] == [False, True, False, False]
    assert "time_limit, 3 seconds" in found[1].reason
    large = made(greedy, 1, memory=2**29)
    large.submit(jobs(0.0, 1.0, 0.1), {}, {})
    found = ends(work_off(large))
    assert [found[n].state is TrialState.FAILED for n in range(3)] == [False, True, False]
    assert "memory_limit, 512 MiB" in found[1].reason


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (with_a_child, 0.5),
        (with_one_that_left, 0.2),
        pytest.param(
            with_one_that_left,
            0.8,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="orphans are found on Linux alone"
            ),
        ),
    ],
)
@pytest.mark.exhaustive
def test_child_processes_of_a_worker_end_with_it(made: Make, function: Function, x: float) -> None:
    executor = made(function, 1)
    executor.submit(jobs(x, epochs=9), {}, {})
    child = None
    while child is None:
        for event in (event for progress in executor.progress(30.0) for event in progress.events):
            if isinstance(event, EpochMeasured):
                child = psutil.Process(int(event.metrics["child"]))
    executor.close()
    psutil.wait_procs([child], timeout=30.0)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_workers_end_when_the_study_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from functools import partial\n"
        "import test_execute_functions as t\n"
        "if __name__ == '__main__':\n"
        "    place = partial(t.ProcessWorker, t.importable(t.with_a_child), 'score')\n"
        "    executor = t.FunctionExecutor(t.Workers(place, 2), t.SPACE, t.TrialLimits())\n"
        "    executor.submit(t.jobs(0.1, 0.2, epochs=9), {}, {})\n"
        "    while True:\n"
        "        for progress in executor.progress(30.0):\n"
        "            for event in progress.events:\n"
        "                if isinstance(event, t.EpochMeasured): print('going', flush=True)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    parent = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    assert [parent.stdout.readline(), parent.stdout.readline()] == [b"going\n"] * 2
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 4
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, left = psutil.wait_procs(family, timeout=30.0)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    assert gone or left


def test_an_interrupted_function_ends_with_its_executor(made: Make) -> None:
    ended = threading.Event()
    begun = threading.Event()

    def busy(hp: Any) -> float:
        begun.set()
        try:
            while True:
                hp.Float("x", 0.0, 1.0)
        finally:
            ended.set()

    executor = made(busy)
    executor.submit(jobs(0.5), {}, {})
    executor.progress(30.0)
    begun.wait(30.0)
    assert executor.stop() == []
    executor.close()
    assert ended.wait(30.0)


class Scaled:
    """An objective with a state."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, hp: Any) -> float:
        return self.factor * squared(hp)

    def method(self, hp: Any) -> float:
        return self(hp)


def test_functions_without_an_importable_name_run_in_processes() -> None:
    factor = 3.0

    def inner(hp: Any) -> float:
        return factor * squared(hp)

    nameless: list[Function] = [
        inner,
        lambda hp: factor * squared(hp),
        partial(lambda times, hp: times * squared(hp), factor),
        Scaled(factor),
        Scaled(factor).method,
    ]
    hp = HyperParameters(SPACE, {"x": 0.5})
    for function in nameless:
        assert importable(function)()(hp) == 0.75, function
    place = partial(ProcessWorker, importable(inner), "score")
    executor = FunctionExecutor(Workers(place, 1), SPACE, TrialLimits())
    executor.submit(jobs(0.5), {}, {})
    assert ends(work_off(executor))[0].score == 0.75
    executor.close()


def test_a_function_that_cannot_be_copied_to_a_process_is_refused() -> None:
    lock = threading.Lock()

    def locked(hp: Any) -> float:
        with lock:
            return squared(hp)

    with pytest.raises(
        InvalidInput, match=r"locked refers to .*lock.*, and workers .* top level .* inside the"
    ):
        importable(locked)


def test_a_worker_that_cannot_import_the_function_says_why() -> None:
    place = partial(ProcessWorker, partial(int, "no number"), "score")  # type: ignore[arg-type]
    executor = FunctionExecutor(Workers(place, 1), SPACE, TrialLimits())
    executor.submit(jobs(0.5), {}, {})
    errors: list[BaseException | None] = []
    while not errors:
        errors = [progress.error for progress in executor.progress(30.0) if progress.error]
    executor.close()
    assert isinstance(errors[0], PacelineError)
    assert "ValueError" in str(errors[0])


def test_the_time_in_which_a_study_is_held_up_does_not_count() -> None:
    """As while it waits for its database: its function may wait for the study then."""
    slot, limits = WorkerSlot(ThreadWorker(squared, "score")), TrialLimits(seconds=10.0)
    slot.began = time.monotonic() - 15.0
    assert "longer than time_limit" in (slot.exceeded(limits) or "")
    slot.excuse(0.5)  # a busy study
    assert slot.exceeded(limits) is not None
    slot.excuse(12.0)
    assert slot.exceeded(limits) is None
    slot.worker.close()
