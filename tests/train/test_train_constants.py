"""Constants that are equal, or NaN, reach each lane bitwise."""

from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras import layers

from paceline.core import Objective
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.grouping import group_by_training
from paceline.execute.prepare import Preparation
from paceline.space import Float, Space
from paceline.testing.same_answer import SameAnswer
from paceline.train.array_feed import TrainingData

X = np.linspace(0.5, 2, 40, dtype="float32").reshape(8, 5)


def build(sign: float) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Lambda(lambda x: jnp.copysign(x, np.float32(sign))),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.parametrize(
    "values", [[0.0, -0.0], [np.nan, float(np.copysign(np.nan, -1)), np.inf, -np.inf]]
)
def test_zero_infinity_and_nan_are_exact(values: list[float]) -> None:
    gaps = SameAnswer((X, X[:, :1]), batch_size=8)(build, [{"sign": value} for value in values])
    assert max(gap.weights for gap in gaps) < 1e-6


def test_configurations_that_differ_in_the_sign_of_zero_train_separately() -> None:
    jobs = [Job(number, {"sign": sign}, 1, 1) for number, sign in enumerate((0.0, -0.0, 0.0))]
    assert [[job.trial for job in group] for group in group_by_training(jobs)] == [[0, 2], [1]]


def test_epochs_read_by_build_train_separately_even_for_the_sign_of_zero() -> None:
    def reads_epochs(hp: Any) -> keras.Model:
        hp.Float("sign", 0.0, 1.0)
        return build(0.0 if hp.Int("epochs", 1, 2) == 1 else -0.0)

    data = TrainingData.of((X, X[:, :1]), None)
    space = Space([Float("sign", 0.0, 1.0)])
    preparation = Preparation(
        reads_epochs,
        data,
        TrainingConfig(Objective.of("loss")),
        space,
        frozenset({"epochs"}),
        True,
    )
    jobs = [Job(epochs, {"sign": 0.5, "epochs": epochs}, 1, epochs) for epochs in (1, 2)]
    assert len(preparation.prepare(jobs)) == 2
