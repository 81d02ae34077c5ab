"""Contract tests of executors.

A test class inherits `FunctionExecutorContract` or `NetworkExecutorContract` and defines one
fixture, the name of the executor or its class::

    class TestLocal(FunctionExecutorContract):
        @pytest.fixture
        def executor(self) -> str:
            return "local"

`ExecutorContract` itself takes any executor and any jobs, from the fixtures ``make`` and ``jobs``.
"""

from paceline.testing import extra  # noqa: F401 - says what to install if it is missing

# isort: split
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from paceline.core import Objective, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialPaused, TrialStarted
from paceline.execute import (
    Executor,
    ExecutorFactory,
    ExecutorUpdate,
    FunctionWork,
    Job,
    Leaves,
    NetworkWork,
    Resources,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
    create,
)
from paceline.space import Choice, Float, Space


@dataclass
class TrialLog:
    """Collects an executor's updates by trial; checks that ended and paused trials have no events.

    Attributes:
        keeps: as in the contract.
        measured: metrics after each epoch.
        started: trials that have started.
        rests: trials that are paused or have ended.
        ended: the end of each trial.
        snapshots: the last one of each trial.
        results: final variables.
    """

    keeps: bool = True
    measured: dict[int, list[EpochMeasured]] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    rests: set[int] = field(default_factory=set)
    ended: dict[int, TrialEnded] = field(default_factory=dict)
    snapshots: dict[int, SnapshotReference] = field(default_factory=dict)
    results: dict[int, Leaves] = field(default_factory=dict)

    def take(self, progress: ExecutorUpdate) -> None:
        """Adds an update."""
        assert progress.error is None
        for event in progress.events:
            if isinstance(event, TrialStarted | EpochMeasured | TrialPaused | TrialEnded):
                assert event.number not in self.rests, (
                    "an event of a trial that had ended or was paused"
                )
                self._take(event, progress)
        self.snapshots |= progress.snapshots
        self.results |= progress.results

    def _take(self, event: Event, progress: ExecutorUpdate) -> None:
        match event:
            case TrialStarted():
                assert event.number not in self.started
                self.started.add(event.number)
            case EpochMeasured():
                epochs = self.measured.setdefault(event.number, [])
                assert event.epoch == len(epochs) + 1, [one.epoch for one in epochs]
                assert event.seconds >= (epochs[-1].seconds if epochs else 0.0)
                epochs.append(event)
            case TrialPaused():
                self.rests.add(event.number)
                if self.keeps:
                    assert progress.snapshots[event.number].epoch == len(
                        self.measured[event.number]
                    )
            case TrialEnded():
                self.rests.add(event.number)
                self.ended[event.number] = event

    def scores(self, number: int, objective: Objective) -> list[float]:
        """The objective after each epoch of a trial."""
        return [event.metrics[objective.metric] for event in self.measured.get(number, [])]


class ExecutorContract:
    """Tests that every executor passes; see `paceline.execute.base.Executor`.

    Define the fixtures ``make`` and ``jobs``.
    """

    tolerance = 0.0
    """Relative tolerance of scores that depend on the other trials in a program."""
    objective = Objective("loss", "minimize")
    """The objective of the executors."""
    keeps = True
    """Whether it makes snapshots from which another executor can resume; functions have none."""
    _whole: ClassVar[TrialLog]

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        """Makes independent executors that train equally."""
        raise NotImplementedError

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """At least two trials of at least three epochs without ``until``, none of which fails."""
        raise NotImplementedError

    def test_jobs_train_to_their_end(self, make: Callable[[], Executor], jobs: list[Job]) -> None:
        """Each epoch is reported once and in order, and each trial completes with its variables."""
        with opened(make) as executor:
            assert executor.is_idle
            log = TrialLog(self.keeps)
            submit(executor, jobs)
            assert not executor.is_idle
            finish(executor, log)
            assert executor.num_waiting == 0
            assert executor.progress(0.0) == []
        assert log.started == {job.trial for job in jobs}
        for job in jobs:
            assert len(log.measured[job.trial]) == job.epochs
            assert log.ended[job.trial].state is TrialState.COMPLETED
            assert log.ended[job.trial].score == log.scores(job.trial, self.objective)[-1]
        assert set(log.results) == ({job.trial for job in jobs} if self.keeps else set())

    def test_trials_pause_at_until(self, make: Callable[[], Executor], jobs: list[Job]) -> None:
        """A job with ``until`` is paused there, and resumes when it is submitted again."""
        expected = self._uninterrupted(make, jobs)
        with opened(make) as executor:
            log = TrialLog(self.keeps)
            for until in range(1, max(job.epochs for job in jobs) + 1):
                going = [replace(job, until=until) for job in jobs if job.trial not in log.ended]
                log.rests -= {job.trial for job in going}
                self._resume(executor, going, log)
                finish(executor, log)
                for job in jobs:
                    assert len(log.measured[job.trial]) == min(until, job.epochs)
                    assert (job.trial in log.ended) == (until >= job.epochs)
                    assert (job.trial in log.results) == (self.keeps and until >= job.epochs)
        self._check_equal(log, expected, jobs)

    def test_trials_do_not_wait_for_each_other(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """While some trials are paused, others train; paused ones may resume later."""
        expected = self._uninterrupted(make, jobs)
        with opened(make) as executor:
            log = TrialLog(self.keeps)
            submit(executor, [replace(jobs[0], until=2), *jobs[1:]])
            finish(executor, log)
            assert set(log.ended) == {job.trial for job in jobs[1:]}
            log.rests.discard(jobs[0].trial)
            self._resume(executor, [jobs[0]], log)
            finish(executor, log)
        self._check_equal(log, expected, jobs)

    def test_another_executor_resumes_from_snapshots(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """A trial paused in one executor resumes in another, with equal scores and no new start.

        It is a later attempt, and the snapshots are passed by reference.
        """
        if not self.keeps:
            pytest.skip("it makes no snapshots")
        expected = self._uninterrupted(make, jobs)
        log = TrialLog(self.keeps)
        with opened(make) as executor:
            submit(executor, [replace(job, until=2) for job in jobs])
            finish(executor, log)
        log.rests.clear()
        references = {
            number: CountingReference(one.load()) for number, one in log.snapshots.items()
        }
        again = [replace(job, attempt=1, resources=Resources(cpus=2.0)) for job in jobs]
        with opened(make) as executor:
            scores = {job.trial: log.scores(job.trial, self.objective) for job in jobs}
            executor.submit(again, references, scores)
            finish(executor, log)
        assert all(one.loads > 0 for one in references.values())
        self._check_equal(log, expected, jobs)

    def test_forgotten_trials_have_no_events(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """Paused trials can be dropped; the others continue."""
        with opened(make) as executor:
            log = TrialLog(self.keeps)
            submit(executor, [replace(job, until=1) for job in jobs])
            finish(executor, log)
            executor.forget([jobs[0].trial])
            assert executor.is_idle
            log.rests -= {job.trial for job in jobs[1:]}
            self._resume(executor, jobs[1:], log)
            finish(executor, log)
            assert set(log.ended) == {job.trial for job in jobs[1:]}

    def test_stopped_trials_resume(self, make: Callable[[], Executor], jobs: list[Job]) -> None:
        """After a stop, each trial resumes from its last snapshot or, without one, starts again."""
        if not self.keeps:
            pytest.skip("it makes no snapshots")
        expected = self._uninterrupted(make, jobs)
        log = TrialLog(self.keeps)
        with opened(make) as executor:
            submit(executor, jobs)
            while not log.measured:
                for progress in executor.progress():
                    log.take(progress)
            for progress in executor.stop():
                log.take(progress)
        left = [job for job in jobs if job.trial not in log.ended]
        for job in left:  # epochs after the last snapshot are trained again
            covered = log.snapshots[job.trial].epoch if job.trial in log.snapshots else 0
            assert len(log.measured.get(job.trial, [])) >= covered
            log.measured[job.trial] = log.measured.get(job.trial, [])[:covered]
        log.started -= {job.trial for job in left if not log.measured[job.trial]}
        with opened(make) as executor:
            self._resume(executor, left, log)
            finish(executor, log)
        self._check_equal(log, expected, jobs)

    def _resume(self, executor: Executor, jobs: Sequence[Job], log: TrialLog) -> None:
        """Submits jobs, with the snapshots of those that were paused, as a study does."""
        snapshots = {
            job.trial: log.snapshots[job.trial] for job in jobs if job.trial in log.snapshots
        }
        executor.submit(
            jobs, snapshots, {number: log.scores(number, self.objective) for number in snapshots}
        )

    def _uninterrupted(self, make: Callable[[], Executor], jobs: Sequence[Job]) -> TrialLog:
        """The uninterrupted run to compare with, made once for each test class."""
        if "_whole" not in type(self).__dict__:
            with opened(make) as executor:
                log = TrialLog(self.keeps)
                submit(executor, jobs)
                finish(executor, log)
            type(self)._whole = log
        return type(self)._whole

    def _check_equal(self, log: TrialLog, expected: TrialLog, jobs: Sequence[Job]) -> None:
        for job in jobs:
            assert log.ended[job.trial].state is TrialState.COMPLETED
            scores = expected.scores(job.trial, self.objective)
            assert log.scores(job.trial, self.objective) == pytest.approx(
                scores, rel=self.tolerance, abs=0.0
            )


@dataclass
class CountingReference:
    """A reference to a snapshot, which has to be loaded.

    Attributes:
        snapshot: the snapshot.
        loads: number of times it was loaded.
    """

    snapshot: TrialSnapshot
    loads: int = 0

    @property
    def key(self) -> str:
        """Identifies the snapshot."""
        return f"test:{id(self.snapshot)}"

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return self.snapshot.epoch

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self.snapshot.seconds

    def load(self) -> TrialSnapshot:
        """Returns the snapshot."""
        self.loads += 1
        return self.snapshot


class FunctionExecutorContract(ExecutorContract):
    """Tests that every executor of functions passes. Define the fixture ``executor``."""

    keeps = False

    @pytest.fixture
    def executor(self) -> str | ExecutorFactory:
        """The name of the executor, or its class, as in ``tune(executor=...)``."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, executor: str | ExecutorFactory) -> Callable[[], Executor]:
        """Makes executors of a function that reports three steps."""
        return lambda: create(executor, FunctionWork(falling, "loss", _FUNCTION_SPACE))

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """Three calls."""
        return [Job(number, {"x": x}, 0, epochs=3) for number, x in enumerate((0.5, 0.1, 0.9))]


class NetworkExecutorContract(ExecutorContract):
    """Tests that every executor of networks passes. Define the fixture ``executor``."""

    tolerance = 1e-4

    @pytest.fixture
    def executor(self) -> str | ExecutorFactory:
        """The name of the executor, or its class, as in ``tune(executor=...)``."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, executor: str | ExecutorFactory) -> Callable[[], Executor]:
        """Makes executors of small networks."""
        from paceline.train.array_feed import TrainingData

        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(64, 4)).astype("float32"), rng.normal(size=64).astype("float32")
        data = TrainingData.of((x[:48], y[:48]), (x[48:], y[48:]))
        options = TrainingConfig(self.objective, batch_size=16)
        work = NetworkWork(small_network, data, options, _NETWORK_SPACE)
        return lambda: create(executor, work)

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """Three networks, two of which share a compiled program."""
        configs = [(2, 0.01), (2, 0.003), (3, 0.02)]
        return [
            Job(number, {"units": units, "rate": rate}, seed=1, epochs=3)
            for number, (units, rate) in enumerate(configs)
        ]


def falling(hp: Any) -> None:
    """Reports a loss that falls, three times."""
    for step in range(1, 4):
        if not hp.report({"loss": hp.Float("x", 0.0, 1.0) * 0.9**step}, step=step):
            return


def small_network(hp: Any) -> Any:
    """Returns a network whose width changes its compiled program, and whose rate does not."""
    import keras

    units, rate = hp.Choice("units", [2, 3]), hp.Float("rate", 1e-3, 1.0, sampling="log")
    layers = [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    return model


_FUNCTION_SPACE = Space([Float("x", 0.0, 1.0)])
_NETWORK_SPACE = Space([Choice("units", [2, 3]), Float("rate", 1e-3, 1.0, sampling="log")])


@contextmanager
def opened(make: Callable[[], Executor]) -> Iterator[Executor]:
    """An executor that is closed at the end."""
    executor = make()
    try:
        yield executor
    finally:
        executor.close()


def submit(executor: Executor, jobs: Sequence[Job]) -> None:
    """Submits jobs that are new, or whose state the executor itself keeps."""
    executor.submit(jobs, {}, {})


def finish(executor: Executor, log: TrialLog) -> None:
    """Waits until the executor is idle."""
    while not executor.is_idle:
        for progress in executor.progress():
            log.take(progress)
