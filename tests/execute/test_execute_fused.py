"""The executor contract for cohorts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from paceline.core import Objective
from paceline.core.events import Noted, ProgramCompiled
from paceline.execute.base import Executor, ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fused import FusedExecutor
from paceline.execute.grouping import structural_hint
from paceline.execute.prepare import Preparation
from paceline.space import Choice, Float, Space
from paceline.testing.executors import ExecutorContract, NetworkExecutorContract
from paceline.train.array_feed import TrainingData
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import LaneCount

SPACE = Space([Float("rate", 1e-3, 1.0, sampling="log"), Choice("units", [2, 3])])
TRAINING = TrainingConfig(Objective("loss", "minimize"), batch_size=16)


def build(hp: Any) -> keras.Model:
    units, rate = hp.Choice("units", [2, 3]), hp.Float("rate", 1e-3, 1.0, sampling="log")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    return model


def eager(hp: Any) -> keras.Model:
    model = build(hp)
    model.run_eagerly = True
    return model


def executor(build: Any, one_by_one: bool = False, merge: bool = True) -> Executor:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4)).astype("float32"), rng.normal(size=64).astype("float32")
    data = TrainingData.of((x[:48], y[:48]), (x[48:], y[48:]))
    preparation = Preparation(
        build, data, TRAINING, SPACE, frozenset({"epochs", "batch_size"}), True
    )
    hint = structural_hint({"units": True, "rate": False}, SPACE)
    return FusedExecutor(
        preparation,
        replace(TRAINING, merge=merge),
        hint,
        LaneCount(DeviceFacts.of_machine(), 2**22, 2**30, one_by_one),
        ExpectedNetworks(SPACE, hint),
    )


class CohortContract(ExecutorContract):
    """Three networks, two of which share a program."""

    @pytest.fixture
    def jobs(self) -> list[Job]:
        configs = [
            {"rate": 0.01, "units": 2},
            {"rate": 0.003, "units": 2},
            {"rate": 0.02, "units": 3},
        ]
        return [Job(number, config, seed=1, epochs=3) for number, config in enumerate(configs)]


class TestOneByOne(CohortContract):
    """Trials that arrive sequentially, with a fixed number of lanes: equal to the last bit."""

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        return lambda: executor(build, one_by_one=True)


class TestTogether(NetworkExecutorContract):
    """Paceline's own executor, as it is made by its name: as many lanes as come."""

    tolerance = 1e-5

    @pytest.fixture
    def executor(self) -> str:
        return "local"


class TestAlone(CohortContract):
    """Networks that cannot be traced, with ``fit``."""

    tolerance = 1e-5

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        return lambda: executor(eager, one_by_one=True)


def test_a_note_about_state_that_is_lost_when_fit_is_resumed() -> None:
    def run(snapshots: dict[int, SnapshotReference]) -> list[ExecutorUpdate]:
        alone = executor(eager, one_by_one=True)
        alone.submit([Job(0, {"rate": 0.01, "units": 2}, seed=1, epochs=2)], snapshots, {0: [0.5]})
        found: list[ExecutorUpdate] = []
        while not alone.is_idle:
            found += alone.progress()
        alone.close()
        return found

    first = run({})
    again = run(next(dict(progress.snapshots) for progress in first if progress.snapshots))
    notes = [
        [e.text for update in updates for e in update.events if isinstance(e, Noted)]
        for updates in (first, again)
    ]
    assert [len(texts) for texts in notes] == [1, 2]
    assert "such as a counter in Python, starts again" in notes[1][1]


@pytest.mark.parametrize(("rates", "builds"), [((0.01, 0.03, 0.5), 3), ((0.5, 0.01, 0.03), 4)])
def test_a_probe_is_built_only_for_constants_of_arithmetic(
    rates: tuple[float, ...], builds: int
) -> None:
    built: list[float] = []

    def counting(hp: Any) -> keras.Model:
        built.append(hp.Float("rate", 1e-3, 1.0, sampling="log"))
        return build(hp)

    one = executor(counting, one_by_one=True, merge=False)
    one.submit(
        [Job(n, {"rate": rate, "units": 2}, seed=1, epochs=1) for n, rate in enumerate(rates)],
        {},
        {},
    )
    events = []
    while not one.is_idle:
        events += [event for progress in one.progress() for event in progress.events]
    one.close()
    assert sum(isinstance(event, ProgramCompiled) for event in events) == 1
    assert len(built) == builds
