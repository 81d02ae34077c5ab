"""The hypermodels for images."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner import applications


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: applications.HyperXception(input_shape=(32, 32, 3)), "classes is missing"),
        (lambda: applications.HyperResNet(classes=3), "input_tensor"),
        (
            lambda: applications.HyperEfficientNet((32, 32, 3), classes=2, augmentation_model=0),
            "a Keras model or a HyperModel",
        ),
        (lambda: applications.HyperImageAugment((8, 8, 3), contrast=[0, 1, 2]), "not exceed 2"),
        (lambda: applications.HyperImageAugment((8, 8, 3), augment_layers=1.5), "must be int"),
    ],
)
def test_wrong_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("make", "values"),
    [
        (applications.HyperXception, {"num_residual_blocks": 2, "sep_num_filters": 128}),
        (applications.HyperResNet, {"version": "next", "conv4_depth": 6, "conv3_depth": 4}),
    ],
)
def test_networks_classify_images(make: Any, values: dict[str, Any]) -> None:
    hp = kt.HyperParameters()
    hp.values = values
    model = make(input_shape=(32, 32, 3), classes=5).build(hp)
    assert model.output_shape == (None, 5)
    assert model.compiled
    assert values.items() <= hp.values.items()
    assert "learning_rate" in hp.values


@pytest.mark.exhaustive
def test_images_are_augmented_in_training_alone() -> None:
    images = np.random.default_rng(0).random((6, 8, 8, 3)).astype("float32")
    hp = kt.HyperParameters()
    hp.values = {"augment_layers": 2, "factor_translate_x": 0.4, "factor_contrast": 0.9}
    given: Any = {"rotate": None, "translate_y": None, "contrast": 1.0}
    model = applications.HyperImageAugment((8, 8, 3), **given).build(hp)
    assert np.array_equal(model(images), images)
    changed = np.asarray(model(images, training=True))
    assert changed.shape == images.shape
    assert any(not np.allclose(one, other) for one, other in zip(changed, images, strict=True))
    again = keras.models.clone_model(model)
    assert np.array_equal(again(images), images)
    fixed = applications.HyperImageAugment((8, 8, 3), augment_layers=0, rotate=[0.2, 0.5])
    assert len(fixed.build(kt.HyperParameters()).layers) == 2
