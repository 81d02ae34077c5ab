"""Networks that differ in sizes only train in one program, each as it would alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from paceline.core import Objective
from paceline.core.events import EpochMeasured, Noted, ProgramCompiled, TrialEnded
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fused import FusedExecutor
from paceline.execute.grouping import structural_hint
from paceline.execute.prepare import Preparation
from paceline.space import Float, Int, Space
from paceline.train.array_feed import TrainingData
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import LaneCount

SPACE = Space([Float("rate", 1e-3, 1.0, sampling="log"), Int("units", 2, 17), Int("layers", 0, 1)])
TRAINING = TrainingConfig(Objective("val_loss", "min"), batch_size=16, keep="best")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 4)).astype("float32"), RNG.normal(size=64).astype("float32")
WIDTHS = (3, 17, 8, 2)


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 17), "tanh")]
    )
    for _ in range(hp.Int("layers", 0, 1)):
        model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-3, 1.0, sampling="log")), loss="mse")
    return model


def ordered(hp: Any) -> keras.Model:
    """A network whose units are sorted, which depends on their number."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 17), "tanh")]
    )
    model.add(keras.layers.Lambda(lambda x: keras.ops.sort(x, axis=-1)))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1.0, sampling="log")), loss="mse")
    return model


class Encoding(keras.layers.Layer):  # type: ignore[misc]
    """Adds a constant array, whose values depend on its size and on a number."""

    def __init__(self, base: float) -> None:
        super().__init__()
        self.base = base

    def call(self, x: Any) -> Any:
        places = np.arange(x.shape[-1], dtype="float32")
        return x + np.sin(places / (self.base + places)).astype("float32")


def encoded(hp: Any) -> keras.Model:
    """A network with a constant array that differs between widths and rates."""
    units, rate = hp.Int("units", 2, 17), hp.Float("rate", 1e-3, 1.0, sampling="log")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, "softplus"), Encoding(rate)]
    )
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(0.05), loss="mse")
    return model


class Ended:
    """All that an executor returned."""

    def __init__(self, updates: list[ExecutorUpdate]) -> None:
        self.events = [event for update in updates for event in update.events]
        self.results = {n: kept for update in updates for n, kept in update.results.items()}
        self.snapshots = {n: s for update in updates for n, s in update.snapshots.items()}

    @property
    def programs(self) -> set[str]:
        return {event.program for event in self.events if isinstance(event, ProgramCompiled)}

    @property
    def scores(self) -> dict[tuple[int, int], float]:
        return {
            (event.number, event.epoch): event.metrics["val_loss"]
            for event in self.events
            if isinstance(event, EpochMeasured)
        }


def run(
    build: Any,
    jobs: list[Job],
    merge: bool = True,
    one_by_one: bool = False,
    snapshots: Mapping[int, SnapshotReference] | None = None,
    scores: Mapping[int, list[float]] | None = None,
    memory: int = 2**30,
) -> Ended:
    options = replace(TRAINING, merge=merge)
    data = TrainingData.of((X[:48], Y[:48]), (X[48:], Y[48:]))
    preparation = Preparation(
        build, data, options, SPACE, frozenset({"epochs", "batch_size"}), True
    )
    hint = structural_hint({"units": not merge, "rate": False}, SPACE)
    lanes = LaneCount(DeviceFacts.of_machine(), 2**22, memory, one_by_one)
    executor = FusedExecutor(preparation, options, hint, lanes, ExpectedNetworks(SPACE, hint))
    executor.submit(jobs, snapshots or {}, scores or {})
    updates: list[ExecutorUpdate] = []
    while not executor.is_idle:
        updates += executor.progress()
    executor.close()
    return Ended(updates)


def jobs(widths: tuple[int, ...], epochs: int = 2, until: int | None = None) -> list[Job]:
    return [
        Job(
            n,
            {"rate": 0.01 * (n + 1), "units": units, "layers": 1},
            seed=n,
            epochs=epochs,
            until=until,
        )
        for n, units in enumerate(widths)
    ]


@pytest.fixture(scope="module")
def apart() -> Ended:
    return run(build, jobs(WIDTHS), merge=False)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_networks_of_other_widths_share_a_program_and_train_as_alone(
    apart: Ended, one_by_one: bool
) -> None:
    together = run(build, jobs(WIDTHS), one_by_one=one_by_one)
    assert (len(apart.programs), len(together.programs)) == (4, 1)
    assert together.scores == pytest.approx(apart.scores, rel=1e-5)
    for number, leaves in apart.results.items():
        for ours, alone in zip(together.results[number], leaves, strict=True):
            assert np.allclose(np.asarray(ours, float), np.asarray(alone, float), 1e-4, 1e-6)


@pytest.mark.exhaustive
def test_a_network_continues_from_a_snapshot_with_whomever_it_is_merged(apart: Ended) -> None:
    paused = run(build, jobs(WIDTHS[:2], until=1))
    again = run(
        build,
        [*jobs(WIDTHS[:2]), *jobs(WIDTHS)[2:]],
        snapshots=paused.snapshots,
        scores={n: [paused.scores[n, 1]] for n in (0, 1)},
    )
    assert paused.scores | again.scores == pytest.approx(apart.scores, rel=1e-5)


@pytest.mark.exhaustive
def test_networks_with_a_constant_array_of_their_width_share_a_program() -> None:
    both = jobs((3, 17), 2)
    alone, paused = run(encoded, both[1:], merge=False), run(encoded, jobs((3, 17), 2, until=1))
    scores = {n: [paused.scores[n, 1]] for n in (0, 1)}
    again = run(encoded, both, snapshots=paused.snapshots, scores=scores)
    assert (len(paused.programs), paused.programs) == (1, again.programs)
    assert not [event for event in paused.events if isinstance(event, Noted)]
    found = paused.scores | again.scores
    assert [found[1, epoch] for epoch in (1, 2)] == pytest.approx(
        [alone.scores[1, epoch] for epoch in (1, 2)], rel=1e-5
    )


def test_networks_of_one_width_with_other_constant_arrays_share_a_program() -> None:
    """Also if they arrive one by one: a probe shows that the array varies."""
    ended = run(encoded, jobs((5, 5, 5), 1), one_by_one=True)
    assert sum(isinstance(event, ProgramCompiled) for event in ended.events) == 1
    assert len({ended.scores[n, 1] for n in range(3)}) == 3


def test_other_networks_of_the_space_find_the_same_program() -> None:
    first, second = run(build, jobs((3, 5))), run(build, jobs((16, 11)))
    assert first.programs == second.programs


def test_networks_that_cannot_be_merged_train_as_before_and_it_is_said_once() -> None:
    ended = run(ordered, jobs(WIDTHS[:2], epochs=1))
    notes = [event.text for event in ended.events if isinstance(event, Noted)]
    assert len(ended.programs) == 2
    assert notes == [
        "Some networks of different sizes are not trained together as one compiled model: sorting "
        "in lambda depends on a size."
    ]
    assert sum(isinstance(event, TrialEnded) for event in ended.events) == 2
