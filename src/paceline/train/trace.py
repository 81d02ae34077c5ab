"""Traces a compiled Keras model: its own `train_step` and `test_step`, unchanged."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import keras
import numpy as np

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.batch_invariance import batch_size_dependence, known_dependence
from paceline.train.constant_lifting import lift_constants
from paceline.train.error_text import one_line
from paceline.train.finalization import finalizes
from paceline.train.fit_only import (
    fit_only_reason,
    has_custom_logs,
    layers_not_compiled,
    metrics_reset_fully,
)
from paceline.train.internals import clear_losses, fast_initialization
from paceline.train.isolation import global_state_of
from paceline.train.stream_feed import AnyFeed, StreamFeed
from paceline.train.traced_model import (
    END,
    CannotTrace,
    StateLayout,
    StepConstants,
    TracedModel,
    TracedStep,
)
from paceline.train.variables import make_variables


def trace(model: keras.Model, feed: AnyFeed, like: TracedModel | None = None) -> TracedModel:
    """Traces a compiled model for the batches of ``feed``.

    Args:
        model: compiled.
        feed: the batches.
        like: a model that is known to have the same steps and constants, which are then not traced
            again.

    Raises:
        CannotTrace: the model does something that only ``fit`` can do.
    """
    layout, leaves = _state(model, feed)
    if like is None:
        feed, parts, unmerged_reason, other_test = _trace_feed(model, layout, leaves, feed)
    else:
        feed, parts, unmerged_reason = like.feed, dict(like.parts), like.unmerged_reason
        other_test = like.other_test
    later = (
        partial(_trace_step, model, layout, leaves, feed=feed)
        if isinstance(feed, StreamFeed)
        else None
    )
    # copies, since a view would keep the objects of JAX while the network waits
    state = tuple(np.array(leaf) for leaf in leaves)
    structure = _structure_key(parts, leaves, feed)
    return TracedModel(
        key=_key(parts, leaves, feed),
        parts=parts,
        layout=layout,
        state=state,
        feed=feed,
        unmerged_reason=unmerged_reason,
        structure_key=structure,
        of_other_sizes=like is not None and like.of_other_sizes,
        other_test=other_test,
        trace_later=later,
    )


def state_shapes(model: keras.Model, feed: AnyFeed) -> list[tuple[int, ...]]:
    """The shapes of the leaves of a model's state; traces nothing.

    Raises:
        CannotTrace: see `trace`.
    """
    return [tuple(leaf.shape) for leaf in _state(model, feed)[1]]


def metric_shapes(model: keras.Model, feed: AnyFeed, metric: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the metrics of the step that measures ``metric``; traces only that step.

    Raises:
        CannotTrace: see `trace`.
    """
    name, prefix = ("test", "val_") if metric.startswith("val_") else ("train", "")
    if name not in feed.parts:
        return {}
    step = _trace_part(model, *_state(model, feed), name, feed)
    return {f"{prefix}{log}": shape for log, shape in step.log_shapes.items()}


def evaluation_batch_size(model: keras.Model, data: tuple[Any, ...], batch_size: int) -> int:
    """A batch size for ``evaluate`` that gives the same metrics as ``batch_size``.

    Larger, and so faster, if it is known to make no difference.

    Args:
        model: compiled, with all its variables.
        data: ``(x, y)`` or ``(x, y, sample_weight)``.
        batch_size: rows in a batch.
    """
    feed = ArrayFeed(TrainingData.of(data, data), batch_size)
    if feed.merged is None or keras.backend.backend() != "jax" or not model.jit_compile:
        return batch_size
    try:
        layout, leaves = _state(model, feed)
        chosen, _, _ = _with_merged_validation(
            feed, layout, lambda of, name: _trace_step(model, layout, leaves, name, of)
        )
    except Exception:  # a model that cannot be traced can still be evaluated
        return batch_size
    return chosen.sizes["test"] if isinstance(chosen, ArrayFeed) else batch_size


def _state(model: keras.Model, feed: AnyFeed) -> tuple[StateLayout, list[Any]]:
    """The layout and the leaves of the model's state, with all variables that ``fit`` creates."""
    reason = fit_only_reason(model)
    if reason is not None:
        raise CannotTrace(reason)
    with global_state_of(model), fast_initialization():
        make_variables(model, feed.batch_spec("train"))
        if not metrics_reset_fully(model):
            raise CannotTrace(
                "one of its metrics does not start each epoch with the same values (it overrides "
                "reset_state)"
            )
    groups = _variables(model)
    leaves = [variable.value for group in groups for variable in group]
    return StateLayout(*(len(group) for group in groups)), leaves


def _variables(model: keras.Model) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    return (
        list(model.trainable_variables),
        list(model.non_trainable_variables),
        list(model.optimizer.variables),
        list(model.metrics_variables),
    )


def _trace_feed(
    model: keras.Model, layout: StateLayout, leaves: list[Any], feed: AnyFeed
) -> tuple[AnyFeed, dict[str, TracedStep], str, StepConstants | None]:
    """Traces all parts; returns the feed to use, the parts, why validation is not merged, and the
    validation step that is not used.
    """

    @cache
    def part(feed: AnyFeed, name: str) -> TracedStep:
        return _trace_part(model, layout, leaves, name, feed)

    parts = {name: part(feed, name) for name in feed.parts if name.startswith("train")}
    feed, unmerged_reason, other_test = _with_merged_validation(feed, layout, part)
    parts |= {name: part(feed, name) for name in feed.parts if name.startswith("test")}
    end = _trace_end(model, layout, leaves)
    if end is None:
        return feed, parts, unmerged_reason, other_test
    # changes by validation are kept, changes by the end of training are undone
    tests = [step.changed_leaves(layout) for name, step in parts.items() if name.startswith("test")]
    if end.changed_leaves(layout).intersection(frozenset().union(*tests)):
        raise CannotTrace(
            "its validation changes weights that its optimizer changes at the end of training"
        )
    return feed, parts | {END: end}, unmerged_reason, other_test


def _with_merged_validation(
    feed: AnyFeed, layout: StateLayout, part: Callable[[ArrayFeed, str], TracedStep]
) -> tuple[AnyFeed, str, StepConstants | None]:
    """The feed with larger validation batches, or unchanged and the reason; the step not used.

    Args:
        feed: the batches as in ``fit``.
        layout: of the model's state.
        part: traces a part of a feed.
    """
    if not isinstance(feed, ArrayFeed) or feed.merged is None:
        return feed, "", None
    small, large = part(feed, "test").code, part(feed.merged, "test").code
    reason = batch_size_dependence(small, large, *_compared(feed, feed.merged, layout))
    other = large if reason else small
    kept = StepConstants(other.digest, other.constants, other.arrays_hash)
    return (feed if reason else feed.merged), reason, kept


def _compared(
    feed: ArrayFeed, merged: ArrayFeed, layout: StateLayout
) -> tuple[tuple[int, int], int, int]:
    return (feed.sizes["test"], merged.sizes["test"]), layout.num_leaves, layout.metrics


def has_known_batches(traced: TracedModel, feed: ArrayFeed) -> bool:
    """Whether a model's constants are known to lead to its validation batches.

    Args:
        traced: a model whose constants were replaced.
        feed: the batches as in ``fit``.
    """
    if traced.other_test is None or feed.merged is None:
        return True
    steps = traced.parts["test"].code, traced.other_test
    small, large = steps if traced.unmerged_reason else reversed(steps)
    reason = known_dependence(small, large, *_compared(feed, feed.merged, traced.layout))
    return reason == traced.unmerged_reason


def _trace_part(
    model: keras.Model,
    layout: StateLayout,
    leaves: list[Any],
    name: str,
    feed: AnyFeed,
) -> TracedStep:
    try:
        return _trace_step(model, layout, leaves, name, feed)
    except CannotTrace:
        raise
    except Exception as error:
        reason = _reason(model, error)
        raise CannotTrace(f"its training step cannot be traced ({reason})") from error


def _reason(model: keras.Model, error: Exception) -> str:
    """Why a step cannot be traced, on one line."""
    layers = {type(layer).__name__ for layer in layers_not_compiled(model)}
    named = [name for name in sorted(layers) if name in str(error)]
    if named:
        return f"{' or '.join(named)} cannot be compiled"
    return one_line(error).removesuffix(".")


def _trace_step(
    model: keras.Model,
    layout: StateLayout,
    leaves: list[Any],
    name: str,
    feed: AnyFeed,
) -> TracedStep:
    """Traces the model's own training or test step on batches of a shape."""
    names: list[str] = []

    def train(state: list[Any], batch: tuple[Any, ...]) -> list[Any]:
        logs, new = model.train_step(layout.groups(state), batch)
        logs = _flatten(_reported_logs(model, logs, new))
        names[:] = sorted(logs)
        return [*jax.tree.leaves(new), *(logs[key] for key in names)]

    def test(state: list[Any], batch: tuple[Any, ...]) -> list[Any]:
        trainable, non_trainable, optimizer, metrics = layout.groups(state)
        logs, (trainable, non_trainable, metrics) = model.test_step(
            (trainable, non_trainable, metrics), batch
        )
        new = (trainable, non_trainable, optimizer, metrics)
        logs = _flatten(_reported_logs(model, logs, new))
        names[:] = sorted(logs)
        return [*trainable, *non_trainable, *optimizer, *metrics, *(logs[key] for key in names)]

    step = train if name.startswith("train") else test
    with global_state_of(model):
        clear_losses(model)
        closed = jax.make_jaxpr(step)(_specs(leaves), feed.batch_spec(name))
    if len(closed.jaxpr.outvars) != layout.num_leaves + len(names):
        raise CannotTrace("its training step adds or drops variables")
    return TracedStep(lift_constants(closed), tuple(names))


def _specs(leaves: list[Any]) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]


def _reported_logs(
    model: keras.Model, logs: Mapping[str, Any], state: Sequence[Sequence[Any]]
) -> Mapping[str, Any]:
    """The logs that ``fit`` reports after a step.

    These are the model's metrics if the step returns logs of the same names, else its logs.

    Args:
        model: the model.
        logs: returned by the step.
        state: values of Keras's four groups of variables after the step.
    """
    if not has_custom_logs(model):
        return logs
    groups = zip(_variables(model), state, strict=True)
    pairs = [pair for group in groups for pair in zip(*group, strict=True)]
    with keras.StatelessScope(state_mapping=pairs):
        results: Mapping[str, Any] = model.get_metrics_result()
    return results if set(results) == set(logs) else logs


def _flatten(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens nested logs (of metrics that return a dict), as ``fit`` does."""
    flat: dict[str, Any] = {}
    for name in sorted(logs):
        flat |= _flatten(logs[name]) if isinstance(logs[name], Mapping) else {name: logs[name]}
    return flat


def _trace_end(model: keras.Model, layout: StateLayout, leaves: list[Any]) -> TracedStep | None:
    """Traces the optimizer's changes at the end of training; None if there are none."""
    if not finalizes(model.optimizer):
        return None
    variables = [
        *model.trainable_variables,
        *model.non_trainable_variables,
        *model.optimizer.variables,
    ]

    def end(state: list[Any]) -> list[Any]:
        mapping = list(zip(variables, state[: len(variables)], strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        values = (scope.get_current_value(variable) for variable in variables)
        return [*values, *state[len(variables) :]]

    try:
        with global_state_of(model):
            step = TracedStep(lift_constants(jax.make_jaxpr(end)(_specs(leaves))), ())
    except Exception as error:
        raise CannotTrace(
            f"the end of its training cannot be traced ({type(error).__name__}: {error})"
        ) from error
    return step if step.changed_leaves(layout) else None


def _key(parts: Mapping[str, TracedStep], leaves: list[Any], feed: AnyFeed) -> str:
    """The program's key: a hash of the steps, of the shapes of the state and of the batches."""
    steps = [f"{name} {step.code.digest} {step.log_names};" for name, step in parts.items()]
    return _hash([*steps, *(f"{leaf.shape} {leaf.dtype};" for leaf in leaves), feed.identity])


def _structure_key(parts: Mapping[str, TracedStep], leaves: list[Any], feed: AnyFeed) -> str:
    """The same as `_key` without the sizes of the network."""
    steps = [f"{name} {step.code.structure} {step.log_names};" for name, step in parts.items()]
    return _hash([*steps, *(f"{leaf.ndim} {leaf.dtype};" for leaf in leaves), feed.identity])


def _hash(texts: Sequence[str]) -> str:
    return hashlib.blake2b("".join(texts).encode(), digest_size=8).hexdigest()
