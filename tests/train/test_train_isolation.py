"""Networks do not depend on those built before, nor the user's global state on any."""

import random
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from paceline.space import HyperParameters
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.build import build_model
from paceline.train.isolation import GlobalState, global_state_of, seed_epoch
from paceline.train.trace import trace

X, Y = np.ones((8, 5), "float32"), np.ones((8, 3), "float32")
BATCH = ArrayFeed(TrainingData.of((X, Y), None), 4).batch_spec("train")


def built(build: Callable[[], keras.Model], seed: int = 1) -> keras.Model:
    return build_model(lambda _: build(), HyperParameters(), seed, lambda: BATCH)


def network(*layers_before: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), *layers_before, layers.Dense(4), layers.Dense(3)])
    model.compile("adam", "mse", metrics=["AUC", keras.metrics.AUC(), keras.metrics.Precision()])
    return model


def names(model: keras.Model) -> list[str]:
    return [
        *(layer.name for layer in model.layers),
        *(variable.path for variable in model.metrics_variables),
    ]


def users_state() -> tuple[Any, ...]:
    """The global state, read by public functions."""
    generator = keras.random.SeedGenerator()  # uses Python's generator and the name counter
    drawn = (
        generator.state.value.tolist(),
        random.random(),
        np.random.random(),
        keras.random.normal((2,)).tolist(),
    )
    settings = (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
    )
    return (*drawn, settings, generator.name, layers.Dense(2).name, keras.metrics.AUC().name)


def test_names_are_counted_separately_for_each_network() -> None:
    for _ in range(3):
        keras.metrics.AUC()
    first = built(network)
    assert names(first)[:2] == ["dense", "dense_1"]
    assert {path.split("/")[0] for path in names(first)[2:]} >= {"auc", "auc_1", "precision"}
    assert names(built(network)) == names(first)


class Mine(keras.metrics.Metric):  # type: ignore[misc]
    """A custom metric without a name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen = self.add_variable((), "zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen.assign_add(1.0)

    def result(self) -> Any:
        return self.seen.value


def test_metrics_have_the_expected_names() -> None:
    def build() -> keras.Model:
        inputs = keras.Input((5,))
        model = keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(3)(inputs)])
        model.compile(
            "sgd",
            ["mse", "mse"],
            metrics=[[Mine()], [keras.metrics.F1Score(average="macro"), "mae"]],
        )
        return model

    feed = ArrayFeed(TrainingData.of((X, [Y, Y]), None), 4)
    for _ in range(2):
        layers.Dense(1), Mine(), keras.metrics.F1Score()
        model = build_model(
            lambda _: build(), HyperParameters(), 1, lambda: feed.batch_spec("train")
        )
        assert set(trace(model, feed).log_names) == {
            "loss",
            "dense_loss",
            "dense_1_loss",
            "dense_mine",
            "dense_1_f1_score",
            "dense_1_mae",
        }


def awkward() -> keras.Model:
    keras.utils.clear_session()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(0.1)
    keras.config.set_image_data_format("channels_first")
    keras.utils.set_random_seed(9)
    return network()


def trained(build: Callable[[], keras.Model]) -> None:
    model = built(build)
    with global_state_of(model):
        seed_epoch(3, 1)
        np.random.random()


@pytest.mark.parametrize("build", [network, awkward])
def test_the_users_state_is_restored(build: Callable[[], keras.Model]) -> None:
    with GlobalState(7):
        expected = users_state()
    with GlobalState(7):
        trained(build)
        assert users_state() == expected


def test_the_users_state_is_restored_after_an_error() -> None:
    def broken() -> keras.Model:
        awkward()
        raise RuntimeError

    with GlobalState(7):
        expected = users_state()
    with GlobalState(7):
        with pytest.raises(RuntimeError):
            built(broken)
        assert users_state() == expected


def test_threads_that_draw_random_numbers_change_no_weights() -> None:
    """Python's generator is shared by all threads: those of Dask's workers use it all the time."""

    def disturbed() -> keras.Model:
        first = keras.layers.Dense(5)
        other = threading.Thread(target=random.random)
        other.start()
        other.join()
        return network(first)

    keras.utils.set_random_seed(7)
    expected = [layer.get_weights() for layer in network(keras.layers.Dense(5)).layers]
    found = [layer.get_weights() for layer in built(disturbed, seed=7).layers]
    for one, another in zip(expected, found, strict=True):
        for weights, others in zip(one, another, strict=True):
            np.testing.assert_array_equal(weights, others)


@pytest.mark.parametrize("by_keras", [True, False])
def test_a_build_may_seed_its_weights(by_keras: bool) -> None:
    def seed_it() -> None:
        if by_keras:
            keras.utils.set_random_seed(5)
        else:
            random.seed(5)

    def seeded() -> keras.Model:
        layers.Dense(3)
        seed_it()
        return network()

    seed_it()
    expected = network().layers[0].get_weights()[0]
    for seed in (1, 2):
        np.testing.assert_array_equal(built(seeded, seed).layers[0].get_weights()[0], expected)
    assert random.seed.__name__ == "seed"


def test_settings_of_a_build_apply_to_its_model_only() -> None:
    model = built(awkward)
    with global_state_of(model):
        assert (keras.config.epsilon(), keras.config.floatx()) == (0.1, "float16")
    assert keras.config.epsilon() == 1e-7
    assert built(network).layers[0].dtype_policy.name == "float32"


def test_settings_of_the_user_apply_to_all_builds() -> None:
    with GlobalState(0):
        keras.config.set_dtype_policy("mixed_bfloat16")
        assert built(network).layers[0].dtype_policy.name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_a_layer_created_outside_of_build() -> None:
    with GlobalState(0):
        outside = layers.Dense(5)
        keras.metrics.AUC()
        assert outside.name == "dense"
        found = [names(built(lambda: network(outside))) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0][:3] == ["dense", "dense_1", "dense_2"]
    assert {name.split("/")[0] for name in found[0][3:]} >= {
        "auc",
        "auc_1",
        "precision",
    }  # metrics are counted from zero


def test_other_errors_of_build_are_not_retried() -> None:
    calls = []

    def build() -> keras.Model:
        calls.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        built(build)
    assert len(calls) == 1


def test_custom_objects_registered_by_build_remain() -> None:
    def build() -> keras.Model:
        @keras.saving.register_keras_serializable("paceline.tests", name="RegisteredInBuild")
        class RegisteredInBuild(layers.Layer):  # type: ignore[misc]
            def call(self, x: Any) -> Any:
                return x

        return network(RegisteredInBuild())

    built(build)
    assert keras.saving.get_registered_object("paceline.tests>RegisteredInBuild") is not None


def test_random_numbers_depend_on_the_seed_and_the_epoch() -> None:
    def drawn(seed: int, epoch: int) -> tuple[float, ...]:
        seed_epoch(seed, epoch)
        return random.random(), float(np.random.random()), float(keras.random.normal(()))

    with GlobalState(0):
        first = drawn(1, 2)
        assert drawn(1, 2) == first
        assert len({drawn(1, 2), drawn(1, 3), drawn(2, 2), drawn(2**31 - 1, 10**6)}) == 4
