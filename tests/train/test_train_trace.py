"""Properties of traced models."""

import keras
import numpy as np
import pytest

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.trace import metric_shapes, trace
from paceline.train.traced_model import CannotTrace


def _feed(*, validation: bool = True) -> ArrayFeed:
    part = (np.ones((12, 3), "float32"), np.ones((12, 1), "float32"))
    return ArrayFeed(TrainingData.of(part, part if validation else None), 5)


def _model(**compiling: object) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"], **compiling)
    return model


@pytest.mark.parametrize("validation", [True, False])
def test_metric_shapes_are_those_of_the_logs(validation: bool) -> None:
    feed = _feed(validation=validation)
    shapes = trace(_model(), feed).log_shapes
    for metric in (
        "loss",
        "mae",
        "val_loss",
        "val_mae",
        "accuracy",
        "val_accuracy",
        "val_val_loss",
        "val_",
    ):
        assert metric_shapes(_model(), feed, metric).get(metric) == shapes.get(metric), metric


def test_metric_shapes_of_a_model_that_cannot_be_traced() -> None:
    with pytest.raises(CannotTrace, match="run_eagerly"):
        metric_shapes(_model(run_eagerly=True), _feed(), "loss")
