"""Keras layers that augment images train together as `fit` trains each network."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from paceline.testing.same_answer import SameAnswer

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (32, 6, 6, 3)).astype("float32")
Y = (np.arange(32) % 2).astype("int32")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomRotation,
        layers.RandomZoom,
        layers.RandomShear,
        layers.RandomErasing,
        lambda factor: layers.RandomTranslation(factor, factor),
        lambda factor: layers.RandomContrast(factor, value_range=(0, 1)),
        lambda factor: layers.RandomBrightness(factor, value_range=(0, 1)),
    ],
)
def test_augmentation_is_that_of_fit_and_its_strength_is_a_number_of_a_lane(layer: Any) -> None:
    def build(factor: float, rate: float) -> keras.Model:
        pooled = [layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")]
        model = keras.Sequential(
            [keras.Input((6, 6, 3)), layer(factor), layers.Conv2D(2, 3), *pooled]
        )
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        return model

    compare = SameAnswer((X, Y), (X[:8], Y[:8]), batch_size=16, epochs=2)
    gaps = compare(build, [{"factor": 0.1, "rate": 0.1}, {"factor": 0.3, "rate": 0.01}])
    assert not any(gap.alone for gap in gaps)
    assert max(gap.weights for gap in gaps) < 1e-5
    assert max(gap.metrics for gap in gaps) < 1e-5
