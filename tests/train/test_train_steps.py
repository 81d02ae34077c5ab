"""An epoch of a number of steps: as `fit` on data that are repeated."""

import numpy as np
import pytest

from paceline.train.array_feed import ArrayFeed, TrainingData, batch_order

ROWS = np.arange(10, dtype=np.int32)
DATA = TrainingData((ROWS, ROWS), (ROWS[:7], ROWS[:7]))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_epochs_go_on_through_passes_in_new_orders(steps: int) -> None:
    feed = ArrayFeed(DATA, 4, steps_per_epoch=steps)
    assert feed.sizes == {"train": 4, "test": 4, "test_rest": 3}
    assert feed.num_steps == steps
    epochs = [feed.order(3, epoch) for epoch in range(6)]
    assert {len(order) for order in epochs} == {4 * steps}
    through = np.concatenate(epochs)
    passes = np.concatenate(
        [batch_order(3, number, 10) for number in range(len(through) // 10 + 1)]
    )
    np.testing.assert_array_equal(through, passes[: len(through)])


def test_without_steps_an_epoch_is_a_pass() -> None:
    feed = ArrayFeed(DATA, 4)
    assert feed.sizes == {"train": 4, "train_rest": 2, "test": 4, "test_rest": 3}
    np.testing.assert_array_equal(feed.order(1, 2), batch_order(1, 2, 10))


def test_validation_steps_take_the_first_batches() -> None:
    assert ArrayFeed(DATA, 2, validation_steps=2).num_validation == 4
    assert ArrayFeed(DATA, 2, 5, validation_steps=1).sizes["test"] == 5
    assert ArrayFeed(DATA, 2, validation_steps=9).num_validation == 7
    same, other = (ArrayFeed(DATA, 2, validation_steps=steps).identity for steps in (9, 2))
    assert ArrayFeed(DATA, 2).identity == same != other


def test_a_batch_larger_than_the_data_is_all_of_them() -> None:
    feed = ArrayFeed(DATA, 64, steps_per_epoch=3)
    assert feed.sizes["train"] == 10
    assert feed.num_train == 30
