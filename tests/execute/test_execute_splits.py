"""Networks on different splits in a cohort, and trials that are trained several times."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from tests.execute.test_execute_fused import SPACE, build

from paceline.core import Objective
from paceline.core.events import EpochMeasured, TrialEnded
from paceline.execute.base import Executor, ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fused import FusedExecutor
from paceline.execute.grouping import structural_hint
from paceline.execute.prepare import Preparation
from paceline.execute.repeated import RepeatedExecutor
from paceline.testing.executors import ExecutorContract
from paceline.train import trace as trace_module
from paceline.train.array_feed import PooledData, TrainingData
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import LaneCount

TRAINING = TrainingConfig(Objective("val_loss", "minimize"), batch_size=16)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(66, 4)).astype("float32"), RNG.normal(size=66).astype("float32")
SPLITS = {
    number: (rows[:50], rows[50:])
    for number, rows in enumerate(np.random.default_rng(1).permutation(66) for _ in "abc")
} | {2: (np.arange(16, 66), np.arange(16))}
POOL = PooledData.of((X, Y), (X, Y), SPLITS)
CONFIG = {"rate": 0.01, "units": 2}


def fused(data: Any, training: TrainingConfig = TRAINING, is_fused: bool = True) -> Executor:
    preparation = Preparation(
        build, data, training, SPACE, frozenset({"epochs", "batch_size"}), is_fused
    )
    hint = structural_hint({"units": True, "rate": False}, SPACE)
    return FusedExecutor(
        preparation,
        training,
        hint,
        LaneCount(DeviceFacts.of_machine(), 2**22, 2**30),
        ExpectedNetworks(SPACE, hint),
    )


def finished(executor: Executor, jobs: Sequence[Job]) -> list[ExecutorUpdate]:
    updates: list[ExecutorUpdate] = []
    executor.submit(jobs, {}, {})
    while not executor.is_idle:
        updates += executor.progress()
    executor.close()
    return updates


def measured(updates: Sequence[ExecutorUpdate]) -> dict[int, list[Mapping[str, float]]]:
    found: dict[int, list[Mapping[str, float]]] = {}
    for progress in updates:
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                found.setdefault(event.number, []).append(event.metrics)
    return found


@pytest.mark.parametrize("is_fused", [True, False])
@pytest.mark.exhaustive
def test_a_lane_on_a_split_equals_a_network_on_that_split(is_fused: bool) -> None:
    jobs = [Job(number, CONFIG, seed=5 + number, epochs=2, split=number) for number in SPLITS]
    together = measured(finished(fused([POOL] * 3, is_fused=is_fused), jobs))
    for number, (train, held_out) in SPLITS.items():
        own = TrainingData.of((X[train], Y[train]), (X[held_out], Y[held_out]))
        alone = measured(finished(fused(own), [Job(0, CONFIG, seed=5 + number, epochs=2)]))[0]
        for mine, theirs in zip(together[number], alone, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)


def test_splits_of_unequal_size() -> None:
    small = PooledData.of((X, Y), (X, Y), {3: (np.arange(48), np.arange(48, 66))})
    jobs = [Job(number, CONFIG, seed=1, epochs=1, split=number) for number in (0, 3)]
    assert measured(finished(fused([POOL, POOL, POOL, small]), jobs)).keys() == {0, 3}


def repeated(training: TrainingConfig = TRAINING) -> Executor:
    return RepeatedExecutor(fused([POOL] * 3, training), (5, 6, 7), training)


@pytest.mark.exhaustive
def test_means_of_several_trainings_are_reported() -> None:
    updates = finished(repeated(), [Job(4, CONFIG, seed=99, epochs=2)])
    single = measured(
        finished(
            fused([POOL] * 3), [Job(k, CONFIG, seed=5 + k, epochs=2, split=k) for k in range(3)]
        )
    )
    events = [event for progress in updates for event in progress.events]
    epochs = [event for event in events if isinstance(event, EpochMeasured)]
    for epoch, event in enumerate(epochs):
        values = [single[k][epoch]["val_loss"] for k in range(3)]
        assert event.metrics["val_loss"] == pytest.approx(np.mean(values), rel=1e-4)
        assert event.spread["val_loss"] == pytest.approx(np.std(values, ddof=1), rel=1e-3)
    (ended,) = (event for event in events if isinstance(event, TrialEnded))
    assert ended.scores == pytest.approx([single[k][1]["val_loss"] for k in range(3)], rel=1e-4)
    assert ended.score == pytest.approx(np.mean(ended.scores))
    assert len(updates[-1].trained[4]) == 3


@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.exhaustive
def test_several_trainings_continue_in_another_executor(keep: Any) -> None:
    training = TrainingConfig(TRAINING.objective, 16, keep=keep)
    whole = finished(repeated(training), [Job(0, CONFIG, seed=1, epochs=4)])
    first = finished(repeated(training), [Job(0, CONFIG, seed=1, epochs=4, until=2)])
    snapshots: dict[int, SnapshotReference] = {
        n: s for progress in first for n, s in progress.snapshots.items()
    }
    scores = {0: [metrics["val_loss"] for metrics in measured(first)[0]]}
    second = repeated(training)
    second.submit([Job(0, CONFIG, seed=1, epochs=4)], snapshots, scores)
    updates = []
    while not second.is_idle:
        updates += second.progress()
    second.close()
    ends = [
        [e for p in some for e in p.events if isinstance(e, TrialEnded)][-1]
        for some in (whole, updates)
    ]
    assert ends[1].scores == pytest.approx(ends[0].scores, rel=1e-4)


class TestRepeated(ExecutorContract):
    """Trials with three trainings each."""

    tolerance = 1e-5
    objective = Objective("val_loss", "minimize")

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        return repeated

    @pytest.fixture
    def jobs(self) -> list[Job]:
        configs = [{"rate": 0.01, "units": 2}, {"rate": 0.02, "units": 3}]
        return [Job(number, config, seed=1, epochs=3) for number, config in enumerate(configs)]


@pytest.mark.exhaustive
def test_a_configuration_is_traced_once_for_all_seeds_and_splits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced: list[str] = []
    own = trace_module._trace_part

    def counting(*args: Any, **more: Any) -> Any:
        traced.append(args[3])
        return own(*args, **more)

    monkeypatch.setattr(trace_module, "_trace_part", counting)
    jobs = [Job(number, CONFIG, seed=5 + number, epochs=2, split=number) for number in SPLITS]
    together = measured(finished(fused([POOL] * 3), jobs))
    assert sorted(traced) == ["test", "train", "train_rest"]
    traced.clear()
    apart = {
        number: found
        for job in jobs
        for number, found in measured(finished(fused([POOL] * 3), [job])).items()
    }
    assert len(traced) == 9
    for number, epochs in together.items():
        for one, other in zip(epochs, apart[number], strict=True):
            assert one == pytest.approx(dict(other), rel=1e-5)
