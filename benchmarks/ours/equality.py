"""Weights after one epoch in a cohort against weights after one epoch of Keras's own ``fit``.

Every case is one network and optimizer with three rows of numbers, which the engine trains as three lanes of one
program and ``fit`` trains one by one, from the same seeds on the same batches in the same order.

Request: ``quick``. Answer: ``cases``, each with ``optimizer, network, option, difference`` (largest absolute difference
of any weight of any lane), ``scale`` (largest absolute weight), and ``determined``, see `UNDETERMINED`.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import keras
import numpy as np
from keras import layers, regularizers
from numpy.typing import NDArray

from benchmarks.arrays import made_up
from paceline.train import lower
from paceline.train.cohort import Cohort, Lane
from paceline.train.compiler import Compiler
from paceline.train.feed import Feed, TrainingData
from paceline.train.program import Program, lifted_constants
from paceline.train.trace import Traced, trace

Weights = list[NDArray[Any]]

OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Nadam")
NETWORKS = ("MLP, classification", "MLP, regression", "CNN, classification", "CNN, regression")
OPTIONS = ("plain", "batch norm", "L2", "clipping", "label smoothing", "all of them")
UNDETERMINED = "all of them, biases kept"
"""Batch norm takes out the bias of the layer before it, so its gradient is nothing but rounding errors; optimizers that
divide by the gradient's size make whole steps of them, and two ways to compute the same differ by steps. Layers before
batch norm therefore have no bias, as is good practice; this case keeps it, for the record."""
BATCH_SIZE = 32


@dataclass(frozen=True)
class Numbers:
    """What differs between the lanes of a case."""

    learning_rate: float
    l2: float
    clipnorm: float
    smoothing: float
    seed: int


LANES = (Numbers(3e-3, 1e-3, 1.0, 0.1, 1), Numbers(1e-3, 1e-4, 0.5, 0.05, 2), Numbers(3e-4, 3e-3, 0.1, 0.2, 3))


@dataclass(frozen=True)
class Case:
    """One network, one optimizer, one option."""

    optimizer: str
    network: str
    option: str

    @property
    def is_classifier(self) -> bool:
        return self.network.endswith("classification")

    def has(self, option: str) -> bool:
        return self.option == option or self.option.startswith("all of them")

    def build(self, numbers: Numbers) -> keras.Model:
        """The compiled model of one lane, its weights drawn from the lane's seed."""
        keras.utils.set_random_seed(numbers.seed)
        penalty = regularizers.L2(numbers.l2) if self.has("L2") else None
        model = keras.Sequential([keras.Input(self.shape)])
        for layer in self._hidden(penalty):
            model.add(layer)
            if self.has("batch norm"):
                model.add(layers.BatchNormalization())
            model.add(layers.Activation("relu"))
        if "CNN" in self.network:
            model.add(layers.MaxPooling2D(2))
            model.add(layers.Flatten())
        model.add(layers.Dense(5, activation="softmax") if self.is_classifier else layers.Dense(1))
        clipping = {"clipnorm": numbers.clipnorm} if self.has("clipping") else {}
        optimizer = getattr(keras.optimizers, self.optimizer)(numbers.learning_rate, **clipping)
        model.compile(optimizer, loss=self._loss(numbers), metrics=["accuracy"] if self.is_classifier else ["mae"])
        return model

    @property
    def shape(self) -> tuple[int, ...]:
        return (10, 10, 1) if "CNN" in self.network else (20,)

    def data(self, rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows to train on; classes are one-hot because label smoothing wants them so."""
        x, y = made_up(self.shape, rows, classes=5 if self.is_classifier else None)
        return x, np.eye(5, dtype="float32")[y] if self.is_classifier else y

    def _hidden(self, penalty: Any) -> list[keras.Layer]:
        settings = {
            "kernel_regularizer": penalty,
            "use_bias": not self.has("batch norm") or self.option == UNDETERMINED,
        }
        if "CNN" in self.network:
            return [layers.Conv2D(width, 3, padding="same", **settings) for width in (4, 8)]
        return [layers.Dense(width, **settings) for width in (32, 16)]

    def _loss(self, numbers: Numbers) -> Any:
        if not self.is_classifier:
            return "mse"
        smoothing = numbers.smoothing if self.has("label smoothing") else 0.0
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


def cases() -> Iterator[Case]:
    """A covering design: each optimizer with each network and with all options at once, each option with each network.

    The full product is three times as many and has no kind of case that these have not. Label smoothing needs labels.
    """
    chosen = dict.fromkeys(Case(optimizer, NETWORKS[0], "all of them") for optimizer in OPTIMIZERS)
    for place, network in enumerate(NETWORKS):
        options = [option for option in OPTIONS if option != "label smoothing" or network.endswith("classification")]
        for turn, option in enumerate(options, start=3 * place):
            chosen[Case(OPTIMIZERS[turn % len(OPTIMIZERS)], network, option)] = None
    yield from sorted(chosen, key=lambda case: (OPTIMIZERS.index(case.optimizer), NETWORKS.index(case.network)))
    for optimizer in ("SGD", "Adam"):
        yield Case(optimizer, NETWORKS[0], UNDETERMINED)


def fitted(case: Case, numbers: Numbers, rows: int) -> Weights:
    """Weights after one epoch of ``fit``, rows in their own order."""
    x, y = case.data(rows)
    model = case.build(numbers)
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, shuffle=False, verbose=0)
    return [np.asarray(weight) for weight in model.get_weights()]


def in_cohort(case: Case, lanes: tuple[Numbers, ...], rows: int) -> list[Weights]:
    """Weights of each lane after one epoch in one cohort, in the order of ``model.get_weights()``.

    From ``case.build(numbers)`` for each lane, rows in their own order, the last batch shorter than the others.
    """
    feed = Feed(TrainingData.of(case.data(rows), None), BATCH_SIZE)
    models = [case.build(numbers) for numbers in lanes]
    traced = [trace(model, feed) for model in models]
    if len({one.key for one in traced}) > 1:
        raise RuntimeError(f"{case} became several programs: its lanes were to differ in numbers only")
    platform = jax.default_backend()
    program = Program(traced[0], lifted_constants(traced), partial(lower.replacement, platform=platform))
    compiler = Compiler()
    cohort = Cohort(compiler.request(program, len(lanes)).result(), compiler.mesh, shuffle=False)
    cohort.fill({slot: Lane(one, epochs=1, order_seed=0) for slot, one in enumerate(traced)})
    for _ in cohort.advance():
        pass
    states = cohort.state_of(range(len(lanes)))
    compiler.close()
    return [_weights(model, one, states[slot]) for slot, (model, one) in enumerate(zip(models, traced, strict=True))]


def _weights(model: keras.Model, traced: Traced, state: Weights) -> Weights:
    """A lane's state as ``model.get_weights()`` would give it."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    for variable, value in zip(variables, state[: traced.layout.num_weights], strict=True):
        variable.assign(value)
    return [np.asarray(weight) for weight in model.get_weights()]


def compare(case: Case, rows: int) -> dict[str, Any]:
    """The largest difference between the two over all weights of all lanes."""
    expected = [fitted(case, numbers, rows) for numbers in LANES]
    found = in_cohort(case, LANES, rows)
    pairs = [pair for lane in zip(expected, found, strict=True) for pair in zip(*lane, strict=True)]
    return {
        "optimizer": case.optimizer,
        "network": case.network,
        "option": case.option,
        "determined": case.option != UNDETERMINED,
        "difference": max(float(np.abs(a - b).max()) for a, b in pairs),
        "scale": max(float(np.abs(a).max()) for a, _ in pairs),
    }


if __name__ == "__main__":
    chosen = list(cases())
    if json.loads(sys.argv[1])["quick"]:
        chosen = [chosen[0], next(case for case in chosen if "CNN" in case.network), chosen[-1]]
    # 1,000 rows are 31 whole batches and one of 8.
    print("\n" + json.dumps({"cases": [compare(case, rows=1000) for case in chosen]}))
