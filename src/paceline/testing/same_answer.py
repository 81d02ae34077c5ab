"""The first promise as a check that anyone can run on their own models: cohorts give the answer of ``fit``.

compare = SameAnswer(train=(x, y), validation=(x_val, y_val), batch_size=32, epochs=2)
gaps = compare(build, [{"learning_rate": 0.1}, {"learning_rate": 0.01}])
assert max(gap.weights for gap in gaps) < 1e-5
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import keras
import numpy as np

from paceline.train import lower
from paceline.train.cohort import Cohort, Lane
from paceline.train.compiler import Compiler
from paceline.train.feed import Feed, TrainingData, batch_order
from paceline.train.program import Program, lifted_constants
from paceline.train.trace import Traced, trace
from paceline.train.variables import restore

_ORDER_SEED = 7


@dataclass(frozen=True, slots=True)
class Gap:
    """Largest absolute differences between a lane and ``fit``.

    Attributes:
        weights: of any weight, moving statistics included, after the last epoch.
        metrics: of any logged metric of any epoch, validation included.
    """

    weights: float
    metrics: float


@dataclass(frozen=True, eq=False)
class SameAnswer:
    """Trains configurations side by side in one program, and one by one with ``fit``, on the same batches.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)``.
        validation: the same, or None.
        batch_size: rows in a batch.
        epochs: epochs to train.
        seed: seeds the initial weights and the layers' own random streams.
    """

    train: tuple[Any, ...]
    validation: tuple[Any, ...] | None = None
    batch_size: int = 32
    epochs: int = 1
    seed: int = 1

    def __call__(self, build: Callable[..., keras.Model], configs: Sequence[Mapping[str, Any]]) -> list[Gap]:
        """One gap for each configuration; ``build(**config)`` gives its compiled model.

        Raises:
            ValueError: the configurations are not one program.
        """
        feed = Feed(TrainingData.of(self.train, self.validation), self.batch_size)
        traced = [trace(self._model(build, config), feed) for config in configs]
        if len({one.key for one in traced}) != 1:
            raise ValueError(f"the configurations are {len({one.key for one in traced})} programs, not one")
        states, logs = self._side_by_side(feed, traced)
        gaps = []
        for slot, config in enumerate(configs):
            expected, history = self._fit(self._model(build, config), feed)
            found = self._model(build, config)
            restore(found, states[slot], feed.batch_spec("train"))
            gaps.append(Gap(_distance(expected, found), _log_distance(history, logs[slot])))
        return gaps

    def _model(self, build: Callable[..., keras.Model], config: Mapping[str, Any]) -> keras.Model:
        keras.utils.set_random_seed(self.seed)
        return build(**config)

    def _side_by_side(self, feed: Feed, traced: list[Traced]) -> tuple[list[Any], list[list[Mapping[str, float]]]]:
        platform = jax.default_backend()
        program = Program(traced[0], feed, lifted_constants(traced), partial(lower.replacement, platform=platform))
        compiler = Compiler()
        count = -(-len(traced) // len(compiler.devices)) * len(compiler.devices)
        cohort = Cohort(compiler.request(program, count).result(), compiler.mesh)
        cohort.fill({slot: Lane(one, self.epochs, _ORDER_SEED) for slot, one in enumerate(traced)})
        logs: list[list[Mapping[str, float]]] = [[] for _ in traced]
        for _ in range(self.epochs):
            for _ in cohort.advance(steps=5):  # in pieces, as a long epoch would be
                pass
            for one in cohort.epoch_logs():
                logs[one.slot].append(one.metrics)
        compiler.close()
        kept = traced[0].layout.num_leaves - traced[0].layout.metrics
        states = cohort.state_of(range(len(traced)))
        return [states[slot][:kept] for slot in range(len(traced))], logs

    def _fit(self, model: keras.Model, feed: Feed) -> tuple[keras.Model, list[Mapping[str, float]]]:
        logs: list[Mapping[str, float]] = []
        for epoch in range(self.epochs):
            order = batch_order(_ORDER_SEED, epoch, feed.data.num_train)
            x, y, *weight = (jax.tree.map(lambda a, o=order: a[o], part) for part in feed.data.train)
            history = model.fit(
                x, y, sample_weight=weight[0] if weight else None, batch_size=self.batch_size, shuffle=False,
                validation_data=feed.data.validation, verbose=0,
            )  # fmt: skip
            logs.append({name: values[-1] for name, values in history.history.items()})
        return model, logs


def _distance(one: keras.Model, other: keras.Model) -> float:
    gaps = []
    for a, b in zip(one.variables, other.variables, strict=True):
        difference = np.asarray(a.value, np.float64) - np.asarray(b.value, np.float64)
        gaps.append(float(np.max(np.abs(difference), initial=0.0)))
    return max(gaps)


def _log_distance(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> float:
    if [set(logs) for logs in one] != [set(logs) for logs in other]:
        raise ValueError(f"fit logs {sorted(one[0])}, the cohort {sorted(other[0])}")
    return max(abs(a[name] - b[name]) for a, b in zip(one, other, strict=True) for name in a)
