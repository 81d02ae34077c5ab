"""From a compiled Keras model to a traced step: Keras's own `train_step` and `test_step`,
unchanged.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import jax
import keras
import numpy as np

from paceline.train.additive import objection
from paceline.train.anatomy import Anatomy, dissect
from paceline.train.ending import finalises
from paceline.train.feed import Feed, TrainingData
from paceline.train.internals import economical_initialisation
from paceline.train.isolation import state_of
from paceline.train.messages import in_a_line
from paceline.train.overrides import (
    alone_because,
    layers_not_compiled,
    metrics_begin_alike,
    reports_itself,
)
from paceline.train.stream import StreamFeed
from paceline.train.variables import check_same, make_variables

END = "end"
"""Name of the part that is what the optimizer does to the variables when training ends."""


class CannotTrace(Exception):
    """This model cannot join a cohort; the message says why. It runs alone through ``fit``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the flat state of a lane is made up: number of leaves in each of Keras's four groups, in
    this order.
    """

    trainable: int
    non_trainable: int
    optimizer: int
    metrics: int

    @property
    def num_leaves(self) -> int:
        """Number of arrays in a lane's state."""
        return self.trainable + self.non_trainable + self.optimizer + self.metrics

    def groups(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """The flat leaves as Keras's (trainable, non-trainable, optimizer, metrics) variables."""
        a = self.trainable
        b = a + self.non_trainable
        c = b + self.optimizer
        return list(leaves[:a]), list(leaves[a:b]), list(leaves[b:c]), list(leaves[c:])


@dataclass(frozen=True, slots=True)
class Part:
    """One traced step at one batch size: its anatomy, and the names of the logs it gives after the
    state.
    """

    anatomy: Anatomy
    log_names: tuple[str, ...]

    @property
    def log_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each log: ``()`` of a number."""
        logs = self.anatomy.body.jaxpr.outvars[-len(self.log_names) :] if self.log_names else ()
        return {name: out.aval.shape for name, out in zip(self.log_names, logs, strict=True)}  # type: ignore[attr-defined]

    def changes(self, layout: Layout) -> frozenset[int]:
        """Numbers of the leaves of the state that may be others after the step."""
        jaxpr = self.anatomy.body.jaxpr
        pairs = zip(
            jaxpr.invars[: layout.num_leaves], jaxpr.outvars[: layout.num_leaves], strict=True
        )
        return frozenset(i for i, (old, new) in enumerate(pairs) if old is not new)


@dataclass(frozen=True, slots=True)
class Traced:
    """A model ready to become a lane.

    Attributes:
        key: the program's identity; models with one key can train side by side.
        parts: the traced steps by name: ``train``, ``train_rest``, ``test``, ``test_rest``, and
            `END` where the optimizer changes the weights at the end of training.
        layout: what the state is made of.
        state: the initial state, one array for each leaf, on the host.
        feed: the batches it was traced on: those it was given or, where that changes nothing,
            larger ones to validate.
        unmerged: why it has to validate in batches as ``fit`` does; empty where it need not.
        later: of a stream, traces a part whose batches have a shape that is met only now; it keeps
            the model alive.
    """

    key: str
    parts: Mapping[str, Part]
    layout: Layout
    state: tuple[np.ndarray, ...]
    feed: Feed | StreamFeed
    unmerged: str = ""
    later: Callable[[str], Part] | None = field(default=None, repr=False)

    @property
    def log_names(self) -> tuple[str, ...]:
        """What an epoch measures, under the names that ``fit`` gives it."""
        names = self.parts["train"].log_names
        return (
            *names,
            *(
                f"val_{name}"
                for name in (self.parts["test"].log_names if "test" in self.parts else ())
            ),
        )

    @property
    def log_shapes(self) -> dict[str, tuple[int, ...]]:
        """What an epoch measures and the shape of each, ``()`` of a number."""
        validated = self.parts["test"].log_shapes if "test" in self.parts else {}
        return self.parts["train"].log_shapes | {
            f"val_{name}": shape for name, shape in validated.items()
        }

    def constants(self, name: str) -> np.ndarray:
        """The scalar constants of one part."""
        return self.parts[name].anatomy.constants

    def resumed(self, lanes: Sequence[Any], ended: Sequence[Any]) -> list[Any]:
        """The state to go on with after the end of training was tried: ``lanes``, and what
        validation changed since.
        """
        changed = self.parts[END].changes(self.layout) if END in self.parts else frozenset()
        return [lanes[i] if i in changed else leaf for i, leaf in enumerate(ended)]

    def started_from(self, leaves: Sequence[np.ndarray]) -> "Traced":
        """The same network with other weights and optimizer state; its metrics are at their start.

        Raises:
            InvalidInput: they are of a network with other variables.
        """
        own = self.state[: self.layout.num_leaves - self.layout.metrics]
        check_same([leaf.shape for leaf in own], [leaf.shape for leaf in leaves])
        return replace(self, state=(*leaves, *self.state[len(leaves) :]))

    def with_code_of(self, other: "Traced") -> "Traced":
        """The same network with the code of another of its key; its own numbers stay."""
        codes = {name: part.anatomy.body for name, part in other.parts.items()}
        parts = {
            name: replace(part, anatomy=replace(part.anatomy, body=codes[name]))
            for name, part in self.parts.items()
        }
        return replace(self, parts=parts)

    def on(self, name: str) -> "Traced":
        """The same network traced on one other part of its stream, and on that alone."""
        if self.later is None:
            raise CannotTrace("its batches have shapes that were not foreseen")
        return replace(self, parts={name: self.later(name)})


def trace(model: keras.Model, feed: Feed | StreamFeed, like: Traced | None = None) -> Traced:
    """Traces a compiled model on the batches of ``feed``.

    ``like`` is a network that is known to take the same steps: they are not traced again.

    Raises:
        CannotTrace: the model does something that only ``fit`` can do.
    """
    layout, leaves = _state(model, feed)
    if like is None:
        feed, parts, unmerged = _steps(model, layout, leaves, feed)
    else:
        feed, parts, unmerged = like.feed, dict(like.parts), like.unmerged
    later = (
        partial(_trace_part, model, layout, leaves, feed=feed)
        if isinstance(feed, StreamFeed)
        else None
    )
    state = tuple(np.asarray(leaf) for leaf in leaves)
    return Traced(_key(parts, leaves, feed), parts, layout, state, feed, unmerged, later)


def measured(
    model: keras.Model, feed: Feed | StreamFeed, metric: str
) -> dict[str, tuple[int, ...]]:
    """What the step that would measure ``metric`` measures, and the shape of each; traces only that
    step.

    Raises:
        CannotTrace: as of `trace`.
    """
    name, prefix = ("test", "val_") if metric.startswith("val_") else ("train", "")
    if name not in feed.parts:
        return {}
    parts = _trace_parts(model, *_state(model, feed), feed, (name,))
    return {f"{prefix}{log}": shape for log, shape in parts[name].log_shapes.items()}


def rows_to_evaluate(model: keras.Model, data: tuple[Any, ...], batch_size: int) -> int:
    """The batch size with which a compiled model is to be evaluated to get what it measures in this
    one.

    A larger one, and so a faster one, where it is known that this makes no difference.

    Args:
        model: compiled, and with all its variables.
        data: ``(x, y)`` or ``(x, y, sample_weight)``.
        batch_size: rows in a batch.
    """
    feed = Feed(TrainingData.of(data, data), batch_size)
    if feed.merged is None or keras.backend.backend() != "jax" or not model.jit_compile:
        return batch_size
    try:
        layout, leaves = _state(model, feed)
        chosen, _ = _validated(
            feed, layout, lambda of, name: _trace_part(model, layout, leaves, name, of)
        )
    except Exception:  # whatever keeps it from being traced, it can be evaluated
        return batch_size
    return chosen.sizes["test"] if isinstance(chosen, Feed) else batch_size


def _state(model: keras.Model, feed: Feed | StreamFeed) -> tuple[Layout, list[Any]]:
    """What the model's state is made of, and the state itself, with every variable that ``fit``
    would create.
    """
    reason = alone_because(model)
    if reason is not None:
        raise CannotTrace(reason)
    with state_of(model), economical_initialisation():
        make_variables(model, feed.batch_spec("train"))
        if not metrics_begin_alike(model):
            raise CannotTrace(
                "one of its metrics does not begin each epoch alike (it has a reset_state of its "
                "own)"
            )
    groups = _variables(model)
    return Layout(*(len(group) for group in groups)), [
        variable.value for group in groups for variable in group
    ]


def _variables(model: keras.Model) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    return (
        list(model.trainable_variables),
        list(model.non_trainable_variables),
        list(model.optimizer.variables),
        list(model.metrics_variables),
    )


def _steps(
    model: keras.Model, layout: Layout, leaves: list[Any], feed: Feed | StreamFeed
) -> tuple[Feed | StreamFeed, dict[str, Part], str]:
    """The batches to train and to validate on, every part of them, and why validation batches are
    not merged.
    """

    @cache
    def part(feed: Feed | StreamFeed, name: str) -> Part:
        return _trace_parts(model, layout, leaves, feed, (name,))[name]

    parts = {name: part(feed, name) for name in feed.parts if name.startswith("train")}
    feed, unmerged = _validated(feed, layout, part)
    parts |= {name: part(feed, name) for name in feed.parts if name.startswith("test")}
    end = _trace_end(model, layout, leaves)
    if end is None:
        return feed, parts, unmerged
    # what validation changes is kept, what the end of training changes is taken back
    tests = [part.changes(layout) for name, part in parts.items() if name.startswith("test")]
    if end.changes(layout).intersection(frozenset().union(*tests)):
        raise CannotTrace(
            "its validation changes weights that its optimizer changes at the end of training"
        )
    return feed, parts | {END: end}, unmerged


def _validated(
    feed: Feed | StreamFeed, layout: Layout, part: Callable[[Feed, str], Part]
) -> tuple[Feed | StreamFeed, str]:
    """The batches with validation in larger ones, or as they are and why; ``part`` traces one of
    them.
    """
    if not isinstance(feed, Feed) or feed.merged is None:
        return feed, ""
    small, large = part(feed, "test").anatomy, part(feed.merged, "test").anatomy
    sizes = (feed.sizes["test"], feed.merged.sizes["test"])
    unmerged = objection(small, large, sizes, layout.num_leaves, layout.metrics)
    return (feed if unmerged else feed.merged), unmerged


def _trace_parts(
    model: keras.Model,
    layout: Layout,
    leaves: list[Any],
    feed: Feed | StreamFeed,
    names: Sequence[str],
) -> dict[str, Part]:
    try:
        return {name: _trace_part(model, layout, leaves, name, feed) for name in names}
    except CannotTrace:
        raise
    except Exception as error:
        raise CannotTrace(
            f"its training step cannot be traced ({_blamed(model, error)})"
        ) from error


def _blamed(model: keras.Model, error: Exception) -> str:
    """What keeps a step from being traced, on one line."""
    layers = {type(layer).__name__ for layer in layers_not_compiled(model)}
    named = [name for name in sorted(layers) if name in str(error)]
    return (
        f"{' or '.join(named)} cannot be compiled" if named else in_a_line(error).removesuffix(".")
    )


def _trace_part(
    model: keras.Model, layout: Layout, leaves: list[Any], name: str, feed: Feed | StreamFeed
) -> Part:
    names: list[str] = []

    def train(state: list[Any], batch: tuple[Any, ...]) -> list[Any]:
        logs, new = model.train_step(layout.groups(state), batch)
        logs = _flat(_reported(model, logs, new))
        names[:] = sorted(logs)
        return [*jax.tree.leaves(new), *(logs[key] for key in names)]

    def test(state: list[Any], batch: tuple[Any, ...]) -> list[Any]:
        trainable, non_trainable, optimizer, metrics = layout.groups(state)
        logs, (trainable, non_trainable, metrics) = model.test_step(
            (trainable, non_trainable, metrics), batch
        )
        logs = _flat(_reported(model, logs, (trainable, non_trainable, optimizer, metrics)))
        names[:] = sorted(logs)
        return [*trainable, *non_trainable, *optimizer, *metrics, *(logs[key] for key in names)]

    specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    with state_of(model):
        closed = jax.make_jaxpr(train if name.startswith("train") else test)(
            specs, feed.batch_spec(name)
        )
    if len(closed.jaxpr.outvars) != layout.num_leaves + len(names):
        raise CannotTrace("its training step adds or drops variables")
    return Part(dissect(closed), tuple(names))


def _reported(
    model: keras.Model, logs: Mapping[str, Any], state: Sequence[Sequence[Any]]
) -> Mapping[str, Any]:
    """What ``fit`` reports after a step: the model's metrics where the step logs under their names,
    else its logs.

    Args:
        model: whose step it was.
        logs: of the step.
        state: values of Keras's four groups of variables after it.
    """
    if not reports_itself(model):
        return logs
    pairs = [
        pair
        for group in zip(_variables(model), state, strict=True)
        for pair in zip(*group, strict=True)
    ]
    with keras.StatelessScope(state_mapping=pairs):
        results: Mapping[str, Any] = model.get_metrics_result()
    return results if set(results) == set(logs) else logs


def _flat(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What a metric gives as a dict stands beside what the others give, as in the logs of
    ``fit``.
    """
    flat: dict[str, Any] = {}
    for name in sorted(logs):
        flat |= _flat(logs[name]) if isinstance(logs[name], Mapping) else {name: logs[name]}
    return flat


def _trace_end(model: keras.Model, layout: Layout, leaves: list[Any]) -> Part | None:
    """What the optimizer does to the variables when training ends, such as averaging weights; None
    for nothing.
    """
    if not finalises(model.optimizer):
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
        return [
            *(scope.get_current_value(variable) for variable in variables),
            *state[len(variables) :],
        ]

    specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    try:
        with state_of(model):
            part = Part(dissect(jax.make_jaxpr(end)(specs)), ())
    except Exception as error:
        raise CannotTrace(
            f"the end of its training cannot be traced ({type(error).__name__}: {error})"
        ) from error
    return part if part.changes(layout) else None


def _key(parts: Mapping[str, Part], leaves: list[Any], feed: Feed | StreamFeed) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, part in parts.items():
        digest.update(f"{name} {part.anatomy.digest} {part.log_names};".encode())
    for leaf in leaves:
        digest.update(f"{leaf.shape} {leaf.dtype};".encode())
    digest.update(feed.identity.encode())
    return digest.hexdigest()
