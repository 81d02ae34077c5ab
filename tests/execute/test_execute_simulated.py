"""The virtual clock."""

import math
from collections.abc import Callable, Mapping

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.core import Configuration, InvalidInput, Objective, TrialState
from paceline.core.events import EpochMeasured, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import Executor, Job, TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.testing.executors import ExecutorContract, TrialLog, finish, submit

TRAINING = TrainingConfig(Objective("loss", "minimize"))


def curve(config: Configuration) -> Curve:
    """Epochs of ``pace`` seconds; the loss falls from ``loss`` by a tenth per epoch."""
    loss, pace = float(config["loss"]), float(config["pace"])
    return [({"loss": loss * 0.9**epoch}, pace * epoch) for epoch in range(1, 6)]


def job(trial: int, pace: float, until: int | None = None, epochs: int = 3) -> Job:
    return Job(trial, {"loss": 1.0 + trial, "pace": pace}, 0, epochs, until)


class TestSimulated(ExecutorContract):
    @pytest.fixture(params=[1, 2, 8])
    def make(self, request: pytest.FixtureRequest) -> Callable[[], Executor]:
        lanes: int = request.param
        return lambda: SimulatedExecutor(curve, TRAINING, lanes)

    @pytest.fixture
    def jobs(self) -> list[Job]:
        return [job(number, pace=1.0 + 0.3 * number, epochs=3 + number % 3) for number in range(5)]


def log(executor: SimulatedExecutor) -> list[tuple[float, str]]:
    """Every event with its second."""
    lines = []
    while not executor.is_idle:
        for progress in executor.progress():
            for event in progress.events:
                match event:
                    case TrialStarted():
                        what = f"{event.number} starts"
                    case EpochMeasured():
                        what = f"{event.number} epoch {event.epoch}"
                    case TrialPaused():
                        what = f"{event.number} rests"
                    case TrialEnded():
                        what = f"{event.number} {event.state}"
                lines.append((executor.clock, what))
    return lines


def test_the_clock_advances_to_the_next_end_of_an_epoch() -> None:
    executor = SimulatedExecutor(curve, TRAINING, num_lanes=2)
    submit(executor, [job(0, 2.0, epochs=2), job(1, 3.0, until=1), job(2, 1.0, epochs=1)])
    assert (executor.clock, executor.num_waiting) == (0.0, 1)
    assert log(executor) == [
        (2.0, "0 starts"),
        (2.0, "1 starts"),
        (2.0, "0 epoch 1"),
        (3.0, "1 epoch 1"),
        (3.0, "1 rests"),  # and its lane is free
        (4.0, "2 starts"),
        (4.0, "0 epoch 2"),
        (4.0, "0 completed"),
        (4.0, "2 epoch 1"),
        (4.0, "2 completed"),
    ]
    submit(executor, [job(1, 3.0)])
    assert log(executor) == [(7.0, "1 epoch 2"), (10.0, "1 epoch 3"), (10.0, "1 completed")]


@given(
    paces=st.lists(st.integers(1, 9).map(float), min_size=1, max_size=12),
    lanes=st.integers(1, 5),
)
def test_lanes_never_idle(paces: list[float], lanes: int) -> None:
    """The clock ends when jobs assigned to the first free lane end."""
    executor = SimulatedExecutor(curve, TRAINING, lanes)
    submit(executor, [job(number, pace) for number, pace in enumerate(paces)])
    log = TrialLog()
    finish(executor, log)
    free = [0.0] * lanes
    for pace in paces:
        free[free.index(min(free))] += 3 * pace
    assert executor.clock == max(free)
    assert {number: epochs[-1].seconds for number, epochs in log.measured.items()} == {
        number: 3 * pace for number, pace in enumerate(paces)
    }


def test_a_trial_that_diverges_fails_and_frees_its_lane() -> None:
    broken: Mapping[str, float] = {"loss": math.nan}
    executor = SimulatedExecutor(
        lambda config: [(broken, 1.0)] * 3 if config["loss"] == 1.0 else curve(config), TRAINING
    )
    submit(executor, [job(0, 1.0), job(1, 1.0)])
    log = TrialLog()
    finish(executor, log)
    assert log.ended[0].state is TrialState.FAILED
    assert log.ended[0].reason == "diverged: the training loss is nan after epoch 1"
    assert log.ended[1].state is TrialState.COMPLETED
    assert executor.clock == 4.0


def test_patience_ends_a_trial_before_its_rung() -> None:
    worse = [({"loss": float(epoch)}, float(epoch)) for epoch in range(1, 6)]
    executor = SimulatedExecutor(
        lambda config: worse, TrainingConfig(TRAINING.objective, patience=2, keep="best")
    )
    submit(executor, [job(0, 1.0, until=4, epochs=5)])
    log = TrialLog()
    finish(executor, log)
    assert (len(log.measured[0]), log.ended[0].best_epoch, log.ended[0].score) == (3, 1, 1.0)


@given(
    st.lists(st.integers(0, 8).map(lambda n: n / 4), min_size=1, max_size=9),
    st.sampled_from([0.0, 0.25, 0.6]),
    st.integers(1, 3),
)
def test_patience_counts_epochs_as_early_stopping_of_keras_does(
    losses: list[float], min_delta: float, patience: int
) -> None:
    stopping = keras.callbacks.EarlyStopping(
        "loss", min_delta=min_delta, patience=patience, mode="min"
    )
    model = keras.Sequential()
    stopping.set_model(model)
    stopping.on_train_begin()
    model.stop_training = False
    expected = 0
    while expected < len(losses) and not model.stop_training:
        stopping.on_epoch_end(expected, {"loss": losses[expected]})
        expected += 1
    epochs = [({"loss": loss}, 1.0) for loss in losses]
    config = TrainingConfig(TRAINING.objective, patience=patience, min_delta=min_delta)
    executor = SimulatedExecutor(lambda _: epochs, config)
    submit(executor, [job(0, 1.0, epochs=len(losses))])
    log = TrialLog()
    finish(executor, log)
    assert len(log.measured[0]) == expected


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match="num_lanes is 0; expected a whole number of at least 1"):
        SimulatedExecutor(curve, TRAINING, num_lanes=0)
    with pytest.raises(InvalidInput, match="the curve of trial 3 has 5 epochs; expected 9"):
        submit(SimulatedExecutor(curve, TRAINING), [job(3, 1.0, epochs=9)])
