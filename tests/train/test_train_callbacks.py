"""Keras's callbacks of a lane do what they do in ``fit``, epoch by epoch, for any metrics."""

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.train.keras_callbacks import with_modes
from paceline.train.lane_callbacks import LaneCallbacks
from paceline.train.variables import leaves_of, rate_leaf_of

numbers = st.floats(0, 1, width=32) | st.sampled_from([0.25, 0.5, 0.25 + 2**-26, float("nan")])
metrics = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12)
monitors = st.sampled_from(["loss", "val_accuracy", "learning_rate", "val_nothing"])
deltas = st.sampled_from([0, 0.05, 1e-4])


def stopping(**options: Any) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(**options)


def plateau(**options: Any) -> keras.callbacks.Callback:
    return keras.callbacks.ReduceLROnPlateau(**options)


callbacks = st.lists(
    st.builds(
        stopping,
        monitor=monitors,
        mode=st.sampled_from(["min", "max"]),
        min_delta=deltas,
        patience=st.integers(0, 4),
        baseline=st.none() | st.sampled_from([0.3, 0.6]),
        start_from_epoch=st.integers(0, 3),
    )
    | st.builds(
        plateau,
        monitor=monitors,
        mode=st.sampled_from(["min", "max"]),
        min_delta=deltas,
        patience=st.integers(0, 3),
        factor=st.sampled_from([0.5, 0.1]),
        cooldown=st.integers(0, 2),
        min_lr=st.sampled_from([0.0, 0.01]),
    )
    | st.just(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * (1 - 0.1 * epoch))),
    min_size=1,
    max_size=3,
)


class Model:
    """What the callbacks use of a model, with an optimizer of Keras."""

    def __init__(self) -> None:
        self.optimizer = keras.optimizers.SGD(0.1)
        self.stop_training = False


MODEL = Model()


@pytest.mark.filterwarnings("ignore:.*which is not available")  # of Keras, in each epoch
@settings(max_examples=60, deadline=None)
@given(given=callbacks, epochs=metrics, cut=st.integers(0, 12))
def test_rates_logs_and_stops_are_those_of_keras(
    given: list[keras.callbacks.Callback], epochs: list[tuple[float, float]], cut: int
) -> None:
    prototypes = with_modes(given, MODEL)
    lane, rate = LaneCallbacks(prototypes), np.array(0.1, np.float32)
    MODEL.optimizer.learning_rate = 0.1
    for one in given:
        one.set_model(MODEL)
        one.on_train_begin()
    for epoch, (loss, accuracy) in enumerate(epochs):
        if epoch == cut:  # continues in another process
            state, lane = lane.state(), LaneCallbacks(prototypes)
            lane.restore(state)
        MODEL.stop_training = False
        for one in given:
            one.on_epoch_begin(epoch)
        rate = lane.begin_epoch(epoch, rate)  # type: ignore[assignment]
        assert rate == np.float32(MODEL.optimizer.learning_rate)
        measured = {"loss": loss, "val_accuracy": accuracy}
        expected = dict(measured)
        for one in given:
            one.on_epoch_end(epoch, expected)
        logs, rate = lane.end_epoch(epoch, measured, rate)  # type: ignore[assignment]
        assert rate == np.float32(MODEL.optimizer.learning_rate)
        np.testing.assert_equal(logs, expected)
        assert bool(lane.stop_reason) == MODEL.stop_training
        if MODEL.stop_training:
            return


def test_directions_follow_from_the_metrics_of_the_model() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)
    up, down = with_modes([stopping(monitor="val_accuracy"), stopping(monitor="val_loss")], model)
    for one, better in ((up, 0.9), (down, 0.1)):
        lane = LaneCallbacks([one])
        for epoch, value in enumerate((0.5, better, 0.5)):
            lane.begin_epoch(epoch, None)
            lane.end_epoch(epoch, {one.monitor: value}, None)
        assert one.monitor in lane.stop_reason
        assert "after epoch 3" in lane.stop_reason


def test_the_learning_rate_is_found_among_the_variables() -> None:
    def model(optimizer: keras.optimizers.Optimizer) -> keras.Model:
        made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        made.compile(optimizer, "mse")
        optimizer.build(made.trainable_variables)
        return made

    inner = keras.optimizers.Adam(0.25)
    for optimizer in (keras.optimizers.SGD(0.25), keras.optimizers.LossScaleOptimizer(inner)):
        made = model(optimizer)
        leaf = rate_leaf_of(made)
        assert leaf is not None
        assert leaves_of(made)[leaf] == 0.25
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    assert rate_leaf_of(model(keras.optimizers.SGD(decay))) is None
