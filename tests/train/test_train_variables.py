"""Models are restored from stored variables, however these were created."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from paceline.core import InvalidInput
from paceline.space import HyperParameters
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.build import build_model
from paceline.train.trace import trace
from paceline.train.variables import leaves_of, make_variables, restore

X, Y = np.ones((8, 5), "float32"), np.ones((8, 3), "float32")
BATCH = ArrayFeed(TrainingData.of((X, Y), None), 4).batch_spec("train")


@keras.saving.register_keras_serializable("paceline.tests")
class MakesLayersInBuild(keras.Model):  # type: ignore[misc]
    def build(self, shape: Any) -> None:
        self.hidden, self.out = layers.Dense(4), layers.Dense(3)
        self.hidden.build(shape)
        self.out.build((None, 4))
        self.drop = layers.Dropout(0.5)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


class Wrapped(keras.optimizers.Optimizer):  # type: ignore[misc]
    """A custom optimizer around another one: half of its step, and a count."""

    def __init__(self, inner: Any) -> None:
        super().__init__(learning_rate=0.0)
        self.inner = inner

    def build(self, variables: Any) -> None:
        self.count = self.add_variable((), name="count")  # not idempotent: a new one each time
        self.inner.build(variables)
        super().build(variables)

    @property
    def variables(self) -> Any:
        return [*self._variables, *self.inner.variables]


def sequential(**input_layer: Any) -> keras.Model:
    declared = [keras.Input((5,))] if input_layer else []
    return keras.Sequential(
        [*declared, layers.Dense(4, "relu"), layers.BatchNormalization(), layers.Dense(3)]
    )


def subclassed() -> keras.Model:
    return MakesLayersInBuild()


def recurrent() -> keras.Model:
    return keras.Sequential([layers.Reshape((5, 1)), layers.GRU(3, dropout=0.1)])


def declared() -> keras.Model:
    return sequential(declared=True)


ADAM = keras.optimizers.Adam
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": ADAM,
    "loss scaling": lambda: keras.optimizers.LossScaleOptimizer(ADAM()),
    "accumulation": lambda: ADAM(gradient_accumulation_steps=2),
    "averages": lambda: keras.optimizers.SGD(use_ema=True),
    "loss scaling of all": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(momentum=0.9, use_ema=True, gradient_accumulation_steps=3)
    ),
    "own": lambda: Wrapped(ADAM()),
    "own, loss scaling": lambda: keras.optimizers.LossScaleOptimizer(Wrapped(ADAM())),
}


def compiled(network: Callable[[], keras.Model], optimizer: str) -> keras.Model:
    def build(_: Any) -> keras.Model:
        model = network()
        model.compile(OPTIMIZERS[optimizer](), "mse", metrics=["mae", keras.metrics.AUC()])
        return model

    return build_model(build, HyperParameters(), 1)


CASES = [
    *((network, "adam") for network in (sequential, subclassed, recurrent)),
    *((declared, name) for name in OPTIMIZERS),
    (sequential, "loss scaling of all"),
]


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_variables_are_restored(network: Callable[[], keras.Model], optimizer: str) -> None:
    trained = compiled(network, optimizer)
    make_variables(trained, BATCH)
    count = len(leaves_of(trained))
    make_variables(trained, BATCH)
    assert len(leaves_of(trained)) == count  # no variable twice
    rng = np.random.default_rng(0)
    kept = [rng.integers(0, 9, leaf.shape).astype(leaf.dtype) for leaf in leaves_of(trained)]
    other = compiled(network, optimizer)
    restore(other, kept, BATCH)
    for found, leaf in zip(leaves_of(other), kept, strict=True):
        np.testing.assert_array_equal(found, leaf)
        assert found.dtype == leaf.dtype


def test_variables_are_those_that_fit_creates() -> None:
    made, fitted = compiled(subclassed, "averages"), compiled(subclassed, "averages")
    make_variables(made, BATCH)
    fitted.fit(X, Y, batch_size=8, verbose=0)
    assert [leaf.shape for leaf in leaves_of(made)] == [leaf.shape for leaf in leaves_of(fitted)]
    assert [v.path for v in made.metrics_variables] == [v.path for v in fitted.metrics_variables]


def test_without_batches_a_declared_shape_suffices() -> None:
    trained = compiled(declared, "loss scaling")
    make_variables(trained, BATCH)
    kept = [leaf + 1 for leaf in leaves_of(trained)]
    restore(other := compiled(declared, "loss scaling"), kept, None)
    np.testing.assert_array_equal(leaves_of(other)[0], kept[0])


def test_variables_of_another_network_are_refused() -> None:
    trained = compiled(declared, "adam")
    make_variables(trained, BATCH)
    with pytest.raises(
        InvalidInput,
        match=r"returned a model with 16 variables .* expected the network that was trained",
    ):
        restore(compiled(declared, "averages"), leaves_of(trained), BATCH)


def test_the_model_is_built_for_the_batches() -> None:
    def build(_: Any) -> keras.Model:
        model = sequential()
        model.compile("adam", "mse", metrics=["AUC", keras.metrics.AUC()])
        return model

    model = build_model(build, HyperParameters(), 1, lambda: BATCH)
    assert model.optimizer.built
    assert {v.path.split("/")[0] for v in model.metrics_variables} >= {"auc", "auc_1"}


def test_variables_are_not_broadcast() -> None:
    network = trace(compiled(declared, "adam"), ArrayFeed(TrainingData.of((X, Y), None), 4))
    leaves = [
        np.zeros(()) for _ in network.state[: network.layout.num_leaves - network.layout.metrics]
    ]
    with pytest.raises(
        InvalidInput,
        match=r"expected the network that was trained, with 22 variables of 22 values",
    ):
        network.with_weights(leaves)
