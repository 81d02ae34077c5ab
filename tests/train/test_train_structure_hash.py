"""The structure hash is compared with the result of tracing."""

import keras
import numpy as np
import pytest

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.isolation import GlobalState
from paceline.train.structure_hash import structure_hash
from paceline.train.trace import trace

ROWS = np.zeros((8, 4), "float32"), np.zeros((8, 1), "float32")


def network(
    units: int = 4,
    dropout: float = 0.1,
    l2: float = 0.01,
    both: float = 0.01,
    decay: float | None = 0.01,
    momentum: float = 0.9,
) -> keras.Model:
    with GlobalState(0):  # as build_model does it: names are counted from zero
        dense = keras.layers.Dense(units, kernel_regularizer=keras.regularizers.L2(l2))
        last = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L1L2(both, 0.01))
        model = keras.Sequential([keras.Input((4,)), dense, keras.layers.Dropout(dropout), last])
        model.compile(keras.optimizers.SGD(0.1, momentum=momentum, weight_decay=decay), loss="mse")
        return model


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"units": 5}, False),
        ({"dropout": 0.2}, True),
        ({"dropout": 0.0}, False),
        ({"l2": 0.1}, True),
        ({"l2": 0.0}, True),
        ({"both": 0.1}, True),
        ({"both": 0.0}, False),
        ({"decay": 0.1}, True),
        ({"decay": 0.0}, True),
        ({"decay": None}, False),
        ({"momentum": 0.5}, True),
        ({"momentum": 0.0}, False),
    ],
)
def test_equal_hashes_mean_equal_programs(other: dict[str, float], same: bool) -> None:
    feed = ArrayFeed(TrainingData.of(ROWS, None), 4)
    one, two = network(), network(**other)  # type: ignore[arg-type]
    assert (trace(one, feed).key == trace(two, feed).key) is same
    assert (structure_hash(one) == structure_hash(two)) is same
