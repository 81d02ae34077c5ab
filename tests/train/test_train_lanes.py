"""The number of lanes: as few cohorts as possible, within capacity and memory."""

import json
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.train import calibration
from paceline.train.array_feed import ArrayFeed, TrainingData, batch_order, evaluation_rows
from paceline.train.array_program import ArrayProgram
from paceline.train.constant_lifting import lift_constants
from paceline.train.cost_estimate import num_values, peak_bytes
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


def work_bytes(program: ArrayProgram) -> int:
    return state_bytes(program) + peak_bytes(program.traced.parts["train"].code.body)


def test_lanes_depend_on_capacity_memory_and_demand(program: ArrayProgram) -> None:
    one = work_bytes(program)
    roomy = LaneCount(capacity=10 * one, memory=2**40)
    assert roomy.choose(program, 3, lambda *_: False) == 3
    assert roomy.choose(program, 10, lambda *_: False) == 10
    assert roomy.choose(program, 11, lambda *_: False) == 6  # two cohorts of six, not ten and one
    assert roomy.choose(program, 3, lambda _, size: size == 5) == 5  # compiled already
    assert roomy.choose(program, 2, lambda _, size: size == 9) == 2  # too wasteful
    tight = LaneCount(
        capacity=10 * one, memory=program.feed.data.num_bytes + 4 * lane_bytes(program)
    )
    assert tight.max_lanes(program) == 4
    assert LaneCount(capacity=0, memory=0).choose(program, 7, lambda *_: False) == 1


def test_work_is_divided_among_the_cohorts_that_train_at_once(program: ArrayProgram) -> None:
    two = LaneCount(capacity=100 * work_bytes(program), memory=2**40, num_cohorts=2)
    assert [two.choose(program, n, lambda *_: False) for n in (3, 15, 16, 40)] == [3, 15, 8, 20]
    assert two.divide(list(range(5)), 2) == [[0, 1, 2], [3, 4]]
    assert two.divide(list(range(2)), 2) == [[0, 1]]


def test_lanes_are_a_multiple_of_the_devices(program: ArrayProgram) -> None:
    spread = LaneCount(capacity=10 * work_bytes(program), memory=2**40, num_devices=4)
    assert [spread.choose(program, n, lambda *_: False) for n in (1, 4, 5, 9)] == [4, 4, 8, 12]


def test_the_capacity_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.setattr(calibration, "_MAX_LANES", 4)  # two programs to compile instead of five
    measured = calibration.capacity()
    assert measured > 0
    (key,) = json.loads((tmp_path / "lanes.json").read_text())
    (tmp_path / "lanes.json").write_text(json.dumps({key: measured + 1}))
    assert calibration.capacity() == measured + 1


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
