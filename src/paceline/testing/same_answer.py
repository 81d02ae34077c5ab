"""A test for any model: training many networks in one program gives the results of ``fit``.

compare = SameAnswer(train=(x, y), validation=(x_val, y_val), batch_size=32, epochs=2)
gaps = compare(build, [{"learning_rate": 0.1}, {"learning_rate": 0.01}])
assert max(gap.weights for gap in gaps) < 1e-5
assert max(gap.score for gap in gaps) < 1e-6
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import keras
import numpy as np

from paceline.execute.base import Job
from paceline.execute.fit_run import fit_epoch
from paceline.train import primitive_overrides
from paceline.train.array_feed import ArrayFeed, TrainingData, batch_order
from paceline.train.array_program import ArrayProgram
from paceline.train.cohort import Cohort, Lane
from paceline.train.compiler import Compiler
from paceline.train.finalization import ValidateFinalized, finalize, finalizes
from paceline.train.isolation import GlobalState, global_state_of
from paceline.train.merged_program import MergedProgram
from paceline.train.merging.structure import CannotMerge, Structure
from paceline.train.program import lifted_constants
from paceline.train.trace import trace
from paceline.train.traced_model import CannotTrace, TracedModel
from paceline.train.variables import leaves_of, restore

_ORDER_SEED = 7

Logs = list[Mapping[str, float]]
"""The metrics of each epoch."""

Build = Callable[..., keras.Model]


@dataclass(frozen=True, slots=True)
class Gap:
    """Largest absolute differences between a network trained by Paceline and one by ``fit``.

    Attributes:
        weights: of any weight of the final model, moving statistics included.
        optimizer: of any variable of its optimizer.
        metrics: of any logged metric of any epoch, validation included.
        score: between the validation metrics of the last epoch and ``evaluate`` of the final model
            with the same batch size. If validation draws random numbers, no two evaluations agree.
        alone: why the network cannot train together with others, so that it was trained through
            ``fit``, one epoch at a time; empty if it can.
        unmerged: why it must validate with ``fit``'s batch size; empty if any size will do.
    """

    weights: float
    optimizer: float
    metrics: float
    score: float
    alone: str = ""
    unmerged: str = ""


@dataclass(frozen=True, eq=False)
class SameAnswer:
    """Trains configurations together in one program, and each by one call of ``fit``.

    Both use the same batches.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)``.
        validation: the same, or None.
        batch_size: number of rows in a batch.
        epochs: number of epochs.
        seed: of the initial weights and the layers' random streams.
        validation_batch_size: number of rows in a validation batch; None for ``batch_size``.
        checked: numbers of the configurations that are also trained through ``fit``; None for all.
    """

    train: tuple[Any, ...]
    validation: tuple[Any, ...] | None = None
    batch_size: int = 32
    epochs: int = 2
    seed: int = 1
    validation_batch_size: int | None = None
    checked: Sequence[int] | None = None
    _fitted: dict[Any, tuple[keras.Model, Logs]] = field(
        default_factory=dict, init=False, repr=False
    )
    _traced: dict[Any, TracedModel] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, build: Build, configs: Sequence[Mapping[str, Any]]) -> list[Gap]:
        """Returns a gap for each checked configuration; ``build(**config)`` makes its model.

        Raises:
            ValueError: the configurations do not share one program, although they may differ in
                sizes.
        """
        feed = self._feed
        alone, unmerged = "", ""
        try:
            traced = [self._trace(build, config) for config in configs]
        except CannotTrace as error:
            alone = str(error)
            trained = [
                _one_by_one(self._model(build, config), feed, self.epochs) for config in configs
            ]
        else:
            unmerged = traced[0].unmerged_reason
            trained = _side_by_side(_program(traced), traced, self.epochs)
        gaps = []
        for number in range(len(configs)) if self.checked is None else self.checked:
            leaves, logs = trained[number]
            found = self._model(build, configs[number])
            restore(found, leaves, feed.batch_spec("train"))
            finalize(found)
            expected, history = self._expected(build, configs[number], feed)
            gaps.append(
                Gap(
                    _distance(expected.variables, found.variables),
                    _distance(expected.optimizer.variables, found.optimizer.variables),
                    _log_distance(history, logs),
                    self._score_distance(found, logs[-1]),
                    alone,
                    unmerged,
                )
            )
        return gaps

    @cached_property
    def _feed(self) -> ArrayFeed:
        data = TrainingData.of(self.train, self.validation)
        return ArrayFeed(data, self.batch_size, self.validation_batch_size)

    def _trace(self, build: Build, config: Mapping[str, Any]) -> TracedModel:
        """The traced model of a configuration; traced once."""
        key = _config_key(build, config)
        if key not in self._traced:
            self._traced[key] = trace(self._model(build, config), self._feed)
        return self._traced[key]

    def _expected(
        self, build: Build, config: Mapping[str, Any], feed: ArrayFeed
    ) -> tuple[keras.Model, Logs]:
        """The model that ``fit`` trains, and its metrics; trained once for each configuration."""
        key = _config_key(build, config)
        if key not in self._fitted:
            model = self._model(build, config)
            self._fitted[key] = (model, self._fit(model, feed))
        return self._fitted[key]

    def _model(self, build: Build, config: Mapping[str, Any]) -> keras.Model:
        """A model in a fresh global state, as in a study: `AUC()` has the same name in each."""
        with GlobalState(self.seed) as state:
            model = build(**config)
        state.keep_for(model)
        return model

    def _fit(self, model: keras.Model, feed: ArrayFeed) -> Logs:
        """Trains with one call of ``fit``; returns the metrics of each epoch."""
        rows = jax.tree.map(np.array, feed.data.train)
        x, y, *weight = rows
        callbacks = [
            _InOrder(rows, feed.data.train),
            *([ValidateFinalized()] if finalizes(model.optimizer) else []),
        ]
        with global_state_of(model):
            history = model.fit(
                x,
                y,
                sample_weight=weight[0] if weight else None,
                batch_size=self.batch_size,
                epochs=self.epochs,
                shuffle=False,
                validation_data=feed.data.validation,
                validation_batch_size=self.validation_batch_size,
                callbacks=callbacks,
                verbose=0,
            ).history
        return [
            {name: values[epoch] for name, values in history.items() if np.ndim(values[epoch]) == 0}
            for epoch in range(self.epochs)
        ]

    def _score_distance(self, model: keras.Model, logs: Mapping[str, float]) -> float:
        """The largest difference of a metric to what ``evaluate`` returns."""
        if self.validation is None:
            return 0.0
        x, y, *weight = self.validation
        with global_state_of(model):
            found = model.evaluate(
                x,
                y,
                sample_weight=weight[0] if weight else None,
                verbose=0,
                return_dict=True,
                batch_size=self.validation_batch_size or self.batch_size,
            )
        scores = {name: value for name, value in found.items() if np.ndim(value) == 0}
        return float(
            np.max([abs(float(value) - logs[f"val_{name}"]) for name, value in scores.items()])
        )


class _InOrder(keras.callbacks.Callback):  # type: ignore[misc]
    """Reorders the rows that ``fit`` reads into the order of each epoch."""

    def __init__(self, rows: Any, original: Any) -> None:
        super().__init__()
        self._rows, self._original = jax.tree.leaves(rows), jax.tree.leaves(original)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's name
        """Copies the rows into the arrays that were passed."""
        order = batch_order(_ORDER_SEED, epoch, len(self._rows[0]))
        for rows, original in zip(self._rows, self._original, strict=True):
            rows[:] = original[order]


def _config_key(build: Build, config: Mapping[str, Any]) -> tuple[Any, ...]:
    # bitwise: 0.0 == -0.0, and NaN != NaN
    bits = {n: np.float64(v).tobytes() if isinstance(v, float) else v for n, v in config.items()}
    return (build, *sorted(bits.items()))


def _program(traced: Sequence[TracedModel]) -> ArrayProgram:
    """The program of networks, a merged one if they differ in sizes."""
    overrides = partial(primitive_overrides.find_override, platform=jax.default_backend())
    if len({one.key for one in traced}) == 1:
        return ArrayProgram(traced[0], lifted_constants(traced), overrides)
    if len({one.structure_key for one in traced}) != 1:
        raise ValueError("the configurations differ in more than sizes: they need several programs")
    structure = Structure.of(traced[0])
    try:
        sizes = [structure.sizes(one.shapes) for one in traced]
        ragged = [i for i, own in enumerate(zip(*sizes, strict=True)) if len(set(own)) > 1]
        structure.check_differing(ragged)
        for one in traced:
            structure.check(one)
    except CannotMerge as error:
        raise ValueError(f"networks of these sizes do not share a program: {error}") from error
    # every network has padding
    largest = tuple(max(own) + (i in ragged) for i, own in enumerate(zip(*sizes, strict=True)))
    return MergedProgram.of(structure, largest, ragged, traced, overrides)


def _side_by_side(
    program: ArrayProgram, traced: Sequence[TracedModel], epochs: int
) -> list[tuple[list[Any], Logs]]:
    """Variables and logs of each network after training together in one program."""
    compiler = Compiler()
    count = -(-len(traced) // len(compiler.devices)) * len(compiler.devices)
    cohort = Cohort(compiler.request(program, count).result(), compiler.mesh)
    cohort.fill({slot: Lane(one, epochs, _ORDER_SEED) for slot, one in enumerate(traced)})
    logs: list[Logs] = [[] for _ in traced]
    for _ in range(epochs):
        for _ in cohort.advance(steps=5):  # in pieces, like a long epoch
            pass
        for one in cohort.epoch_logs():
            logs[one.slot].append(one.metrics)
    compiler.close()
    kept = traced[0].layout.num_leaves - traced[0].layout.metrics
    states = [cohort.state_of(slot) for slot in range(len(traced))]
    return [(states[slot][:kept], logs[slot]) for slot in range(len(traced))]


def _one_by_one(model: keras.Model, feed: ArrayFeed, epochs: int) -> tuple[list[Any], Logs]:
    """The same of a network that trains alone."""
    job = Job(0, {}, _ORDER_SEED, epochs)
    logs: Logs = [fit_epoch(model, feed, job, epoch) for epoch in range(epochs)]
    return list(leaves_of(model)), logs


def _distance(some: Sequence[Any], others: Sequence[Any]) -> float:
    gaps = [0.0]
    for a, b in zip(some, others, strict=True):
        one, other = (np.asarray(keras.ops.convert_to_numpy(v)).astype(np.float64) for v in (a, b))
        gaps.append(float(np.max(np.abs(one - other), initial=0.0)))
    return float(np.max(gaps))  # NaN if something diverged


def _log_distance(one: Logs, other: Logs) -> float:
    if [set(logs) for logs in one] != [set(logs) for logs in other]:
        raise ValueError(f"fit logs {sorted(one[0])}, the cohort {sorted(other[0])}")
    return float(
        np.max([abs(a[name] - b[name]) for a, b in zip(one, other, strict=True) for name in a])
    )
