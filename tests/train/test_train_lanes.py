"""The number of lanes: as few cohorts as possible, within capacity and memory."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.train import calibration, cohort
from paceline.train.array_feed import ArrayFeed, TrainingData, batch_order, evaluation_rows
from paceline.train.array_program import ArrayProgram
from paceline.train.cohort import Cohort, Lane
from paceline.train.constant_lifting import lift_constants
from paceline.train.cost_estimate import num_values, peak_bytes
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import LaneCount, lane_bytes, state_bytes
from paceline.train.program import lifted_constants
from paceline.train.trace import trace


@pytest.fixture(scope="module")
def program() -> ArrayProgram:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.ones((64, 4), "float32")
    feed = ArrayFeed(TrainingData.of((x, x[:, :1]), (x, x[:, :1])), 16)
    traced = trace(model, feed)
    return ArrayProgram(traced, lifted_constants([traced]))


@dataclass(frozen=True, eq=False)
class SizedProgram(ArrayProgram):
    """A program that computes more values than its code does."""

    values: int = field(default=2**24, kw_only=True)

    def num_values(self, name: str) -> int:
        return self.values


def work_bytes(program: ArrayProgram) -> int:
    return state_bytes(program) + peak_bytes(program.traced.parts["train"].code.body)


def facts(platform: str = "cpu", count: int = 1, cores: int = 1) -> DeviceFacts:
    return DeviceFacts(platform, count, cores, free_bytes=2**36)


def test_a_small_network_gets_as_many_lanes_as_networks_are_expected(program: ArrayProgram) -> None:
    lanes = LaneCount(facts(), capacity=100 * work_bytes(program), memory=2**40)
    assert [lanes.choose(program, {n: 1.0}) for n in (1, 2, 3, 5, 8, 9, 64)] == [
        1,
        2,
        4,
        8,
        8,
        16,
        64,
    ]
    assert lanes.choose(program, {1000: 1.0}) == 64  # 100 at most


def test_lanes_that_would_be_empty_cost_work(program: ArrayProgram) -> None:
    large = SizedProgram(program.traced, program.lifted)
    lanes = LaneCount(facts(), capacity=None, memory=2**40)
    assert [lanes.choose(large, {n: 1.0}) for n in (1, 3, 5, 8, 9)] == [1, 1, 1, 1, 1]
    # on a stream, each further cohort loads all data again
    assert [lanes.for_stream(large, n) for n in (1, 3, 8, 200)] == [1, 4, 8, 128]
    on_gpu = LaneCount(facts("gpu"), capacity=None, memory=2**40)
    assert [on_gpu.choose(large, {n: 1.0}) for n in (1, 3, 5, 1296)] == [1, 4, 8, 128]
    assert on_gpu.choose(program, {1296: 1.0}) == 1024  # each of two cohorts has half of them


def test_an_uncertain_number_of_networks_makes_fewer_lanes_worthwhile(
    program: ArrayProgram,
) -> None:
    lanes = LaneCount(facts(), capacity=None, memory=2**40)
    certain, uncertain = {2: 1.0}, {1: 0.3, 2: 0.4, 3: 0.3}
    chosen = [
        (lanes.choose(sized, certain), lanes.choose(sized, uncertain))
        for sized in (
            SizedProgram(program.traced, program.lifted, values=2**k) for k in range(8, 25)
        )
    ]
    # one network: a lane is empty; three: a pass of one network and an empty lane
    assert (2, 1) in chosen
    assert chosen[-1] == (1, 1)
    assert chosen[0] == (2, 4)


def test_memory_and_capacity_limit_lanes(program: ArrayProgram) -> None:
    data, lane = program.feed.data.num_bytes, lane_bytes(program)
    capacity = 10 * work_bytes(program)
    assert LaneCount(facts(), capacity, memory=2**40).max_lanes(program) == 8
    assert LaneCount(facts(), capacity, memory=data + 5 * lane).max_lanes(program) == 4
    assert LaneCount(facts(cores=2), capacity, memory=data + 5 * lane).max_lanes(program) == 2
    assert LaneCount(facts(), 0, memory=0).max_lanes(program) == 1
    many = LaneCount(facts("gpu"), None, memory=2**40)
    assert many.max_lanes(program) == 4096
    assert LaneCount(facts("gpu"), None, memory=data + 3000 * lane).max_lanes(program) == 2048
    assert LaneCount(facts("gpu"), capacity, memory=2**40).max_lanes(program) == 8


def test_work_is_divided_among_the_cohorts_that_train_at_once(program: ArrayProgram) -> None:
    two = LaneCount(facts(cores=2), capacity=100 * work_bytes(program), memory=2**40)
    assert [two.choose(program, {n: 1.0}) for n in (3, 15, 16, 40)] == [4, 16, 8, 32]
    assert two.divide(list(range(5)), 2) == [[0, 1, 2], [3, 4]]
    assert two.divide(list(range(2)), 2) == [[0, 1]]


def test_lanes_are_a_multiple_of_the_devices(program: ArrayProgram) -> None:
    for platform in ("cpu", "gpu"):
        spread = LaneCount(facts(platform, 3), capacity=None, memory=2**40)
        assert [spread.choose(program, {n: 1.0}) for n in (1, 3, 4, 12)] == [3, 3, 6, 12]


def test_trials_that_arrive_one_by_one_get_idle_lanes_where_these_are_free(
    program: ArrayProgram,
) -> None:
    for n in (1, 50):
        on_cpu = LaneCount(facts(cores=2), 2**24, 2**40, one_by_one=True)
        assert on_cpu.choose(program, {n: 1.0}) == 1
        on_gpu = LaneCount(facts("gpu"), None, 2**40, one_by_one=True)
        assert on_gpu.choose(program, {n: 1.0}) == 64
        large = SizedProgram(program.traced, program.lifted)
        assert on_gpu.choose(large, {n: 1.0}) == 16


def test_a_study_of_unknown_length_gets_idle_lanes_where_these_are_free(
    program: ArrayProgram,
) -> None:
    on_cpu, on_gpu = (LaneCount(facts(name), None, 2**40) for name in ("cpu", "gpu"))
    assert [on_cpu.choose(program, {n: 1.0}, more_come=True) for n in (2, 100)] == [2, 128]
    assert [on_gpu.choose(program, {n: 1.0}, more_come=True) for n in (2, 100)] == [64, 64]
    large = SizedProgram(program.traced, program.lifted)
    assert on_gpu.choose(large, {2: 1.0}, more_come=True) == 16


def test_programs_are_compiled_by_cores_that_do_not_train() -> None:
    counts = [
        LaneCount(facts(name, cores=cores), None, 2**40).num_compilations
        for name in ("cpu", "gpu")
        for cores in (1, 2, 16)
    ]
    assert counts == [1, 2, 2, 1, 2, 4]


def test_facts_of_devices_decide_how_many_cohorts_train_at_once() -> None:
    assert [facts(cores=n).num_cohorts for n in (1, 2, 16)] == [1, 2, 8]
    assert facts("gpu", cores=16).num_cohorts == 2
    assert facts("gpu", count=4, cores=16).num_cohorts == 1
    assert facts("gpu", count=4).memory == 4 * 2**35
    assert DeviceFacts.of_machine().platform == jax.default_backend()


def test_the_capacity_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.setattr(calibration, "_MAX_LANES", 4)  # two programs to compile instead of five
    measured = calibration.capacity()
    assert measured is not None
    assert measured > 0
    (key,) = json.loads((tmp_path / "lanes.json").read_text())
    (tmp_path / "lanes.json").write_text(json.dumps({key: measured + 1}))
    assert calibration.capacity() == measured + 1


def test_a_few_lanes_of_a_large_state_are_moved_by_themselves(
    program: ArrayProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = program.compile(16, None)

    def trained() -> list[list[np.ndarray]]:
        trains = Cohort(compiled)
        for slot in (0, 3):
            trains.fill({slot: Lane(program.traced, 2, slot)})
            list(trains.advance())
            trains.epoch_logs()
        with pytest.raises(ValueError, match="slot 1 is empty"):
            trains.state_of(1)
        return [trains.state_of(slot) for slot in (0, 3)]

    on_host = trained()
    functions: list[Any] = [cohort._lane_of, cohort._with_lane]
    before = [function._cache_size() for function in functions]
    monkeypatch.setattr(cohort, "_device_has_memory", lambda: True)
    monkeypatch.setattr(cohort, "_LARGE_BYTES", 0)
    for one, other in zip(on_host, trained(), strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)
    # each is compiled once, whichever the lane
    assert [function._cache_size() for function in functions] == [count + 1 for count in before]


def test_memory_is_predicted_from_the_step() -> None:
    def step(x: jax.Array) -> jax.Array:
        return ((x * 2.0) + (x * 3.0)).sum()

    # two products of 400 bytes are alive together with their sum
    assert peak_bytes(lift_constants(jax.make_jaxpr(step)(np.ones(100, "float32"))).body) == 1200


def test_values_of_a_scan_count_in_each_iteration() -> None:
    def step(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda carry, _: (carry * 2.0, None), x + 1.0, length=7)[0]

    assert num_values(lift_constants(jax.make_jaxpr(step)(np.ones(100, "float32"))).body) == 800


@given(st.integers(1, 20_000))
def test_evaluation_batches_cover_every_row(rows: int) -> None:
    assert 1 <= evaluation_rows(rows) <= rows


def test_the_order_of_batches_is_a_permutation_that_depends_on_seed_and_epoch_alone() -> None:
    orders = {
        (seed, epoch): tuple(batch_order(seed, epoch, 50)) for seed in (0, 1) for epoch in (0, 1)
    }
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len(set(orders.values())) == 4
    assert orders[0, 1] == tuple(batch_order(0, 1, 50))
