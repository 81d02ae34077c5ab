"""A traced model: its steps, its initial state and the layout of that state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from paceline.train.constant_lifting import LiftedStep
from paceline.train.stream_feed import AnyFeed
from paceline.train.variables import check_same_shapes

END = "end"
"""Name of the part with the optimizer's changes to the variables at the end of training."""


class CannotTrace(Exception):
    """The model cannot train in a cohort, only with ``fit``; the message says why."""


@dataclass(frozen=True, slots=True)
class StateLayout:
    """The number of leaves of a lane's state in each of Keras's four groups, in this order."""

    trainable: int
    non_trainable: int
    optimizer: int
    metrics: int

    @property
    def num_leaves(self) -> int:
        """Number of arrays in a lane's state."""
        return self.trainable + self.non_trainable + self.optimizer + self.metrics

    @property
    def num_kept(self) -> int:
        """Number of arrays without those of the metrics, which come last."""
        return self.num_leaves - self.metrics

    def groups(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """Splits leaves into Keras's trainable, non-trainable, optimizer and metrics variables."""
        a = self.trainable
        b = a + self.non_trainable
        c = b + self.optimizer
        return list(leaves[:a]), list(leaves[a:b]), list(leaves[b:c]), list(leaves[c:])


@dataclass(frozen=True, slots=True)
class TracedStep:
    """A step traced for one batch shape.

    Attributes:
        code: the step; its outputs are the new state, then the logs.
        log_names: names of the logs.
    """

    code: LiftedStep
    log_names: tuple[str, ...]

    @property
    def log_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each log; ``()`` for a scalar."""
        outputs = self.code.body.jaxpr.outvars
        logs = outputs[-len(self.log_names) :] if self.log_names else ()
        return {name: out.aval.shape for name, out in zip(self.log_names, logs, strict=True)}  # type: ignore[attr-defined]

    def changed_leaves(self, layout: StateLayout) -> frozenset[int]:
        """Indices of the leaves of the state that the step may change."""
        jaxpr = self.code.body.jaxpr
        pairs = zip(
            jaxpr.invars[: layout.num_leaves], jaxpr.outvars[: layout.num_leaves], strict=True
        )
        return frozenset(i for i, (old, new) in enumerate(pairs) if old is not new)


@dataclass(frozen=True, slots=True)
class StepConstants:
    """A traced step of which only the constants are kept; see `LiftedStep`."""

    digest: str
    constants: np.ndarray
    arrays_hash: str


@dataclass(frozen=True, slots=True)
class TracedModel:
    """A model that can train in a lane.

    Attributes:
        key: the program's key; models with equal keys can train together.
        parts: the traced steps by name: ``train``, ``train_rest``, ``test``, ``test_rest``, and
            `END` if the optimizer changes the weights at the end of training.
        layout: of the state.
        state: the initial state, an array for each leaf, on the host.
        feed: the batches that it was traced for: the given ones, or with larger validation batches
            if these give the same scores.
        unmerged_reason: why validation needs batches of the same size as in ``fit``; empty if it
            does not.
        structure_key: equal for models that differ only in sizes and constants, see
            `paceline.train.merging`.
        of_other_sizes: whether its steps are those of a network of other sizes with its own
            constants, so that it can train in a program for several sizes only.
        other_test: the validation step for batches of the other size, which was compared with that
            of ``feed`` to determine this; None if there is none.
        trace_later: of a stream, traces the step for a batch shape that occurs later; it keeps the
            model alive.
    """

    key: str
    parts: Mapping[str, TracedStep]
    layout: StateLayout
    state: tuple[np.ndarray, ...]
    feed: AnyFeed
    unmerged_reason: str = ""
    structure_key: str = ""
    of_other_sizes: bool = False
    other_test: StepConstants | None = field(default=None, repr=False)
    trace_later: Callable[[str], TracedStep] | None = field(default=None, repr=False)

    @property
    def log_names(self) -> tuple[str, ...]:
        """Names of the metrics of an epoch, as in the logs of ``fit``."""
        validation = self.parts["test"].log_names if "test" in self.parts else ()
        return (*self.parts["train"].log_names, *(f"val_{name}" for name in validation))

    @property
    def log_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each metric of an epoch; ``()`` for a scalar."""
        validation = self.parts["test"].log_shapes if "test" in self.parts else {}
        return self.parts["train"].log_shapes | {
            f"val_{name}": shape for name, shape in validation.items()
        }

    def constants(self, name: str) -> np.ndarray:
        """The scalar constants of a part, float64 ``(num_constants,)``."""
        return self.parts[name].code.constants

    def arrays(self, name: str) -> tuple[np.ndarray, ...]:
        """The small constant arrays of a part."""
        return self.parts[name].code.arrays

    @property
    def has_arrays(self) -> bool:
        """Whether it has small constant arrays."""
        return any(self.arrays(name) for name in self.parts)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the leaves of its state."""
        return [leaf.shape for leaf in self.state]

    @property
    def num_bytes(self) -> int:
        """Bytes of its state and its small constant arrays."""
        arrays = [array for name in self.parts for array in self.arrays(name)]
        return sum(array.nbytes for array in [*self.state, *arrays])

    @property
    def arrays_hash(self) -> str:
        """Of the values of all constants that are not scalar floats, in all parts."""
        return " ".join(part.code.arrays_hash for part in self.parts.values())

    def integers(self, name: str) -> np.ndarray:
        """The scalar integers of a part, int64 ``(num_integers,)``."""
        return self.parts[name].code.integers

    @property
    def all_constants(self) -> np.ndarray:
        """The constants and integers of all parts, and the constants of ``other_test``.

        Float64 ``(num_constants,)``.
        """
        return np.concatenate(self._constants)

    def with_constants(self, constants: np.ndarray) -> "TracedModel":
        """The same model with other values of `all_constants`."""
        ends = np.cumsum([len(own) for own in self._constants])
        *values, other = np.split(constants, ends[:-1])
        parts = {}
        for (name, part), floats, integers in zip(
            self.parts.items(), values[::2], values[1::2], strict=True
        ):
            code = replace(part.code, constants=floats, integers=integers.astype(np.int64))
            parts[name] = replace(part, code=code)
        other_test = self.other_test and replace(self.other_test, constants=other)
        return replace(self, parts=parts, other_test=other_test)

    @property
    def _constants(self) -> list[np.ndarray]:
        other = np.empty(0) if self.other_test is None else self.other_test.constants
        codes = [part.code for part in self.parts.values()]
        return [
            *(own for code in codes for own in (code.constants, code.integers.astype(np.float64))),
            other,
        ]

    def undo_end(self, lanes: Sequence[Any], ended: Sequence[Any]) -> list[Any]:
        """The state after a validation, without the changes of the end of training.

        Args:
            lanes: the state before the end of training was applied.
            ended: the state after the end of training and the validation.
        """
        changed = self.parts[END].changed_leaves(self.layout) if END in self.parts else frozenset()
        return [lanes[i] if i in changed else leaf for i, leaf in enumerate(ended)]

    def with_weights(self, leaves: Sequence[np.ndarray]) -> "TracedModel":
        """The same model with other weights and optimizer state, and initial metrics.

        Raises:
            InvalidInput: they belong to a model with other variables.
        """
        own = self.state[: self.layout.num_kept]
        check_same_shapes([leaf.shape for leaf in own], [leaf.shape for leaf in leaves])
        return replace(self, state=(*leaves, *self.state[len(leaves) :]))

    def with_code_of(self, other: "TracedModel") -> "TracedModel":
        """The same model with the jaxprs of another one of its key; its constants stay."""
        parts = {
            name: replace(part, code=part.code.with_body_of(other.parts[name].code))
            for name, part in self.parts.items()
        }
        return replace(self, parts=parts)

    def traced_for(self, name: str) -> "TracedModel":
        """The same model, also traced for another part of its stream."""
        if self.trace_later is None:
            raise CannotTrace("its batches have unexpected shapes")
        return replace(self, parts={**self.parts, name: self.trace_later(name)})

    def only(self, name: str) -> "TracedModel":
        """The same model with one of its parts."""
        return replace(self, parts={name: self.parts[name]})
