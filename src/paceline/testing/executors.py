"""The contract of executors, as tests.

A test class inherits `FunctionExecutorContract` or `NetworkExecutorContract` and supplies one
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
    TrainingOptions,
    TrialSnapshot,
    create,
)
from paceline.space import Float, Space


@dataclass
class Told:
    """What an executor told, trial by trial; checks on its way that no trial speaks out of turn.

    Attributes:
        keeps: as in the contract.
        measured: metrics after each epoch.
        rests: trials that are paused, or ended, by now.
        ended: how a trial ended.
        snapshots: the last one of each trial.
        results: kept variables.
    """

    keeps: bool = True
    measured: dict[int, list[EpochMeasured]] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    rests: set[int] = field(default_factory=set)
    ended: dict[int, TrialEnded] = field(default_factory=dict)
    snapshots: dict[int, SnapshotReference] = field(default_factory=dict)
    results: dict[int, Leaves] = field(default_factory=dict)

    def take(self, progress: ExecutorUpdate) -> None:
        """Adds what happened."""
        assert progress.error is None
        for event in progress.events:
            if isinstance(event, TrialStarted | EpochMeasured | TrialPaused | TrialEnded):
                assert event.number not in self.rests, (
                    "a trial that had ended or was paused was mentioned"
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
    """What holds for every executor; see `paceline.execute.base.Executor`. Supply ``make`` and
    ``jobs``.
    """

    tolerance = 0.0
    """By how much, relatively, scores may differ with the company in which a trial trains."""
    objective = Objective("loss", "minimize")
    """The objective of the executors that ``make`` makes."""
    keeps = True
    """Whether it keeps variables, from which another executor can go on: a function's state is its
    own.
    """
    _whole: ClassVar[Told]

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        """Makes executors that know nothing of each other and train alike."""
        raise NotImplementedError

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """At least two trials, none of which fails, of at least three epochs each and without an
        ``until``.
        """
        raise NotImplementedError

    def test_jobs_train_to_their_end(self, make: Callable[[], Executor], jobs: list[Job]) -> None:
        """Each epoch is told once and in order, and each trial completes with its variables."""
        with opened(make) as executor:
            assert executor.is_idle
            told = Told(self.keeps)
            submit(executor, jobs)
            assert not executor.is_idle
            finish(executor, told)
            assert executor.num_waiting == 0
            assert executor.progress(0.0) == []
        assert told.started == {job.trial for job in jobs}
        for job in jobs:
            assert len(told.measured[job.trial]) == job.epochs
            assert told.ended[job.trial].state is TrialState.COMPLETED
            assert told.ended[job.trial].score == told.scores(job.trial, self.objective)[-1]
        assert set(told.results) == ({job.trial for job in jobs} if self.keeps else set())

    def test_trials_rest_where_they_are_to(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """A job with ``until`` is paused there, and goes on where it is submitted again: with the
        scores of one go.
        """
        expected = self._in_one_go(make, jobs)
        with opened(make) as executor:
            told = Told(self.keeps)
            for until in range(1, max(job.epochs for job in jobs) + 1):
                going = [replace(job, until=until) for job in jobs if job.trial not in told.ended]
                told.rests -= {job.trial for job in going}
                self._go_on(executor, going, told)
                finish(executor, told)
                for job in jobs:
                    assert len(told.measured[job.trial]) == min(until, job.epochs)
                    assert (job.trial in told.ended) == (until >= job.epochs)
                    assert (job.trial in told.results) == (self.keeps and until >= job.epochs)
        self._same(told, expected, jobs)

    def test_trials_do_not_wait_for_each_other(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """While some rest others train on, and whoever rests may go on later."""
        expected = self._in_one_go(make, jobs)
        with opened(make) as executor:
            told = Told(self.keeps)
            submit(executor, [replace(jobs[0], until=2), *jobs[1:]])
            finish(executor, told)
            assert set(told.ended) == {job.trial for job in jobs[1:]}
            told.rests.discard(jobs[0].trial)
            self._go_on(executor, [jobs[0]], told)
            finish(executor, told)
        self._same(told, expected, jobs)

    def test_a_new_executor_goes_on_from_snapshots(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """What is paused in one executor continues in another, with the same scores and no second
        start: in a later attempt, and from references to the snapshots.
        """
        if not self.keeps:
            pytest.skip("it keeps nothing to go on from")
        expected = self._in_one_go(make, jobs)
        told = Told(self.keeps)
        with opened(make) as executor:
            submit(executor, [replace(job, until=2) for job in jobs])
            finish(executor, told)
        told.rests.clear()
        references = {number: Elsewhere(one.load()) for number, one in told.snapshots.items()}
        again = [replace(job, attempt=1, resources=Resources(cpus=2.0)) for job in jobs]
        with opened(make) as executor:
            scores = {job.trial: told.scores(job.trial, self.objective) for job in jobs}
            executor.submit(again, references, scores)
            finish(executor, told)
        assert all(one.loads > 0 for one in references.values())
        self._same(told, expected, jobs)

    def test_what_is_forgotten_is_not_mentioned(
        self, make: Callable[[], Executor], jobs: list[Job]
    ) -> None:
        """Paused trials can be let go of; the others go on."""
        with opened(make) as executor:
            told = Told(self.keeps)
            submit(executor, [replace(job, until=1) for job in jobs])
            finish(executor, told)
            executor.forget([jobs[0].trial])
            assert executor.is_idle
            told.rests -= {job.trial for job in jobs[1:]}
            self._go_on(executor, jobs[1:], told)
            finish(executor, told)
            assert set(told.ended) == {job.trial for job in jobs[1:]}

    def test_what_was_stopped_goes_on(self, make: Callable[[], Executor], jobs: list[Job]) -> None:
        """After a stop in the middle, each trial goes on from its last snapshot or, without one,
        begins again.
        """
        if not self.keeps:
            pytest.skip("it keeps nothing to go on from")
        expected = self._in_one_go(make, jobs)
        told = Told(self.keeps)
        with opened(make) as executor:
            submit(executor, jobs)
            while not told.measured:
                for progress in executor.progress():
                    told.take(progress)
            for progress in executor.stop():
                told.take(progress)
        left = [job for job in jobs if job.trial not in told.ended]
        for job in left:  # what no snapshot covers is trained again
            covered = told.snapshots[job.trial].epoch if job.trial in told.snapshots else 0
            assert len(told.measured.get(job.trial, [])) >= covered
            told.measured[job.trial] = told.measured.get(job.trial, [])[:covered]
        told.started -= {job.trial for job in left if not told.measured[job.trial]}
        with opened(make) as executor:
            self._go_on(executor, left, told)
            finish(executor, told)
        self._same(told, expected, jobs)

    def _go_on(self, executor: Executor, jobs: Sequence[Job], told: Told) -> None:
        """Submits jobs, with the snapshots of those that were paused, as a study does."""
        snapshots = {
            job.trial: told.snapshots[job.trial] for job in jobs if job.trial in told.snapshots
        }
        executor.submit(
            jobs, snapshots, {number: told.scores(number, self.objective) for number in snapshots}
        )

    def _in_one_go(self, make: Callable[[], Executor], jobs: Sequence[Job]) -> Told:
        """What to compare with, made once for each class that inherits this one."""
        if "_whole" not in type(self).__dict__:
            with opened(make) as executor:
                told = Told(self.keeps)
                submit(executor, jobs)
                finish(executor, told)
            type(self)._whole = told
        return type(self)._whole

    def _same(self, told: Told, expected: Told, jobs: Sequence[Job]) -> None:
        for job in jobs:
            assert told.ended[job.trial].state is TrialState.COMPLETED
            scores = expected.scores(job.trial, self.objective)
            assert told.scores(job.trial, self.objective) == pytest.approx(
                scores, rel=self.tolerance, abs=0.0
            )


@dataclass
class Elsewhere:
    """A snapshot by reference: what it stands for has to be loaded.

    Attributes:
        snapshot: what it stands for.
        loads: how often it was loaded.
    """

    snapshot: TrialSnapshot
    loads: int = 0

    @property
    def key(self) -> str:
        """Where the snapshot is."""
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
    """What holds for every executor of functions. Supply the fixture ``executor``."""

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
    """What holds for every executor of networks. Supply the fixture ``executor``."""

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
        x, y = rng.normal(size=(48, 3)).astype("float32"), rng.normal(size=48).astype("float32")
        data = TrainingData.of((x[:32], y[:32]), (x[32:], y[32:]))
        options = TrainingOptions(self.objective, batch_size=16)
        work = NetworkWork(small_network, data, options, _NETWORK_SPACE)
        return lambda: create(executor, work)

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """Three networks of one compiled program."""
        rates = 0.01, 0.003, 0.02
        return [Job(number, {"rate": rate}, seed=1, epochs=3) for number, rate in enumerate(rates)]


def falling(hp: Any) -> None:
    """Reports a loss that falls, three times."""
    for step in range(1, 4):
        if not hp.report({"loss": hp.Float("x", 0.0, 1.0) * 0.9**step}, step=step):
            return


def small_network(hp: Any) -> Any:
    """Returns a network of one layer, with a learning rate."""
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


_FUNCTION_SPACE = Space([Float("x", 0.0, 1.0)])
_NETWORK_SPACE = Space([Float("rate", 1e-3, 1.0, sampling="log")])


@contextmanager
def opened(make: Callable[[], Executor]) -> Iterator[Executor]:
    """An executor that is closed in the end."""
    executor = make()
    try:
        yield executor
    finally:
        executor.close()


def submit(executor: Executor, jobs: Sequence[Job]) -> None:
    """Jobs that the executor begins, or has itself kept."""
    executor.submit(jobs, {}, {})


def finish(executor: Executor, told: Told) -> None:
    """Waits until the executor is idle."""
    while not executor.is_idle:
        for progress in executor.progress():
            told.take(progress)
