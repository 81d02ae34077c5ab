"""Models with equal configurations share steps; those with custom parts have no configuration."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.isolation import GlobalState
from paceline.train.model_config import ModelConfig, model_config
from paceline.train.trace import trace


def model(
    *,
    units: int = 3,
    scale: float = 2.0,
    seed: int | None = None,
    loss: Any = "mse",
    rate: float = 0.1,
    metric: Any = "mae",
    middle: Callable[[Any], Any] = lambda x: x,
) -> keras.Model:
    with GlobalState(0):  # as build_model does it: names are counted from zero
        inputs = keras.Input((4,))
        x = layers.Dense(units, "relu")(inputs) * np.array([scale] * units)
        x = layers.Dropout(0.5, seed=seed)(middle(x))
        made = keras.Model(inputs, layers.Dense(1)(x))
        made.compile(keras.optimizers.Adam(rate), loss, metrics=[metric])
        return made


class Twice(layers.Layer):  # type: ignore[misc]
    """A custom layer."""

    def call(self, x: Any) -> Any:
        return x * 2


class Own(keras.Model):  # type: ignore[misc]
    """A custom model."""

    def call(self, x: Any) -> Any:
        return x


def exact(model: keras.Model) -> str | None:
    config = model_config(model)
    return None if config is None else config.exact


def test_models_that_differ_in_seeds_have_equal_hashes_and_steps() -> None:
    one, other = model(), model(seed=7)
    assert exact(one) == exact(other)
    x = np.ones((40, 4), "float32")
    feed = ArrayFeed(TrainingData.of((x, x[:, :1]), (x, x[:, :1])), 16)
    assert trace(one, feed).key == trace(other, feed).key


@pytest.mark.parametrize(
    "change",
    [
        {"units": 4},
        {"scale": 3.0},
        {"rate": 0.2},
        {"loss": "mae"},
        {"loss": keras.losses.Huber(2.0)},
        {"metric": keras.metrics.MeanSquaredError(name="m")},
        {"middle": layers.LayerNormalization()},
    ],
)
def test_other_differences_change_the_hash(change: dict[str, Any]) -> None:
    assert exact(model(**change)) not in (None, exact(model()))


@pytest.mark.parametrize(
    "change",
    [
        {"middle": lambda x: Twice()(x)},
        {"middle": lambda x: layers.Lambda(lambda y: y * 2, output_shape=(3,))(x)},
        {"middle": lambda x: layers.Normalization(mean=0.0, variance=1.0)(x)},
        {"middle": lambda x: layers.Activation(lambda y: y * 2)(x)},
        {"loss": lambda y, found: ops.mean((y - found) ** 2)},
    ],
)
def test_custom_objects_have_no_hash(change: dict[str, Any]) -> None:
    with warnings.catch_warnings(action="ignore"):  # as in a user's process
        assert exact(model(**change)) is None


def test_connections_of_layers_change_the_hash() -> None:
    def wired(through: int) -> keras.Model:
        with GlobalState(0):
            inputs = keras.Input((4,))
            both = [layers.Dense(4, "relu")(inputs), layers.Dense(4)(inputs)]
            made = keras.Model(inputs, layers.Add()([both[0], both[1], both[through]]))
            made.compile("sgd", "mse")
            return made

    assert exact(wired(0)) == exact(wired(0))
    assert exact(wired(0)) != exact(wired(1))


def test_custom_models_have_no_hash() -> None:
    own = Own()
    own.compile("adam", "mse")
    assert model_config(own) is None


def _config(**change: Any) -> ModelConfig:
    config = model_config(model(**change))
    assert config is not None
    return config


def test_a_structure_does_not_depend_on_the_values_of_floats() -> None:
    one, other = _config(), _config(rate=0.2)
    assert one.structure == other.structure
    assert one.exact != other.exact
    assert list(one.numbers) == list(other.numbers)
    differing = {name for name in one.numbers if one.numbers[name] != other.numbers[name]}
    assert [name.split(".")[-1] for name in differing] == ["learning_rate"]


@pytest.mark.parametrize("rate", [0.0, -0.0, 1.0, -0.1, 1.5, np.inf, np.nan])
def test_special_values_and_signs_of_floats_are_other_structures(rate: float) -> None:
    assert (
        _config(loss=keras.losses.Tversky(rate)).structure
        != _config(loss=keras.losses.Tversky(0.3)).structure
    )


@pytest.mark.parametrize("change", [{"units": 4}, {"loss": "mae"}])
def test_sizes_and_classes_are_other_structures(change: dict[str, Any]) -> None:
    assert _config(**change).structure != _config().structure


def test_the_settings_of_keras_are_part_of_the_structure_or_of_the_numbers() -> None:
    with GlobalState(0) as state:
        keras.config.set_epsilon(1e-5)
        inputs = keras.Input((4,))
        made = keras.Model(inputs, layers.Dense(1)(inputs))
        made.compile("sgd", "mse")
    state.keep_for(made)
    config = model_config(made)
    assert config is not None
    assert config.numbers["keras.epsilon"] == 1e-5
