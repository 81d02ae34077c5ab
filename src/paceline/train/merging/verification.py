"""Compares a merged program with a network's own steps, before the network trains in it.

Behind the rules, which are correct as far as is known, stands a comparison of numbers: one training
and one validation batch, the steps of the program against the network's own traced steps, both
evaluated by NumPy, as compiling the network's own steps is what a merged program saves. Differences
are judged by those that rounding makes: the network's own step is evaluated again with its weights
changed in the last bit. An optimizer may turn a gradient that is only rounding error into a full
step, in both comparisons. Where rounding alone decides, as at the bend of a relu, a difference is
not found again with other weights; where a rule is wrong, it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from paceline.train.internals import ClosedJaxpr
from paceline.train.merged_program import MergedProgram, MergedStreamProgram, merge
from paceline.train.merging.structure import Sizes, Structure
from paceline.train.numpy_evaluation import evaluate_with_numpy
from paceline.train.stream_feed import StreamFeed
from paceline.train.traced_model import END, TracedModel

AnyMerged = MergedProgram | MergedStreamProgram

_PARTS = ("train", END, "test")
_RELATIVE, _ABSOLUTE = 2e-5, 1e-6
_TIMES_ROUNDING = 50.0
_LAST_BIT, _THOUSANDTH = 1.2e-7, 1e-3
_MOST_VALUES = 2**24  # of the steps of a program, above which not each size is compared


@dataclass(eq=False)
class ComparedSizes:
    """Compares the networks of a program, one of each size.

    Of a program with large steps, a network is compared only if it is smaller or larger than all
    that were compared, in any of its sizes.

    Attributes:
        structure: of the program.
        largest: sizes of the program.
        ragged: the places in ``largest`` where networks may be smaller.
    """

    structure: Structure
    largest: Sizes
    ragged: tuple[int, ...]
    _sizes: list[Sizes] = field(default_factory=list)
    _program: AnyMerged | None = None

    def difference(self, traced: TracedModel) -> str:
        """How the network would differ; empty if it would not, or needs no comparison."""
        sizes = self.structure.sizes(traced.shapes)
        if sizes in self._sizes:
            return ""
        program = self._program
        if program is None or not program.covers(traced):
            program = merge(self.structure, self.largest, self.ragged, [traced], known=program)
            self._program = program
        num_values = sum(program.num_values(name) for name in _PARTS if name in traced.parts)
        if num_values > _MOST_VALUES and self._is_between(sizes):
            return ""
        self._sizes.append(sizes)
        return difference(program, traced)

    def release(self) -> None:
        """Frees the program, which is traced again where it is needed."""
        self._program = None

    def _is_between(self, sizes: Sizes) -> bool:
        """Whether each size lies between those of networks that were compared."""
        if not self._sizes:
            return False
        ranges = [(min(own), max(own)) for own in zip(*self._sizes, strict=True)]
        return all(a <= own <= b for own, (a, b) in zip(sizes, ranges, strict=True))


def difference(program: AnyMerged, traced: TracedModel) -> str:
    """How a network would differ in a merged program; empty if it would not.

    Args:
        program: the program.
        traced: the network, with steps of its own.
    """
    reason = _difference(program, traced, traced.state)
    return reason and _difference(program, traced, _changed(traced.state, _THOUSANDTH))


def _difference(program: AnyMerged, traced: TracedModel, state: Sequence[np.ndarray]) -> str:
    """The same for a state: each part continues with what the one before it has changed."""
    count = traced.layout.num_leaves
    for part in _PARTS:
        if part not in traced.parts:
            continue
        alone = _Step(traced, part, _first_batch(program, part))
        own = alone.run(state)
        merged, is_padded = _merged_step(program, alone, state)
        if not is_padded:
            return f"padding is not zero after the {part} step"
        if any(gap > _allowed(one) for one, gap in zip(own, _gaps(own, merged), strict=True)):
            reason = _beyond_rounding(alone, state, own, merged)
            if reason:
                return reason
        state = own[:count]
    return ""


@dataclass(frozen=True, slots=True)
class _Step:
    """A network's own step on a batch."""

    traced: TracedModel
    part: str
    batch: Sequence[np.ndarray]

    def run(self, state: Sequence[np.ndarray]) -> list[Any]:
        body = self.traced.parts[self.part].code.body
        return evaluate_with_numpy(ClosedJaxpr(body.jaxpr, body.consts), [*state, *self.batch])

    @property
    def names(self) -> list[str]:
        """Of its outputs."""
        logs = self.traced.parts[self.part].log_names
        named = [f"val_{name}" for name in logs] if self.part == "test" else logs
        return [*("a variable",) * self.traced.layout.num_leaves, *named]


def _beyond_rounding(
    step: _Step, state: Sequence[np.ndarray], own: Sequence[Any], merged: Sequence[Any]
) -> str:
    """Which output differs by more than rounding makes of it."""
    changed = step.run(_changed(state, _LAST_BIT))
    rows = zip(step.names, own, _gaps(own, merged), _gaps(own, changed), strict=True)
    for name, alone, gap, rounding in rows:
        allowed = _allowed(alone) + (_TIMES_ROUNDING * rounding if np.isfinite(rounding) else 0.0)
        if not gap <= allowed:
            return f"{name} differs by {gap:.1e} from that of the network alone"
    return ""


def _allowed(values: Any) -> float:
    return _ABSOLUTE + _RELATIVE * _scale(values)


def _gaps(some: Sequence[Any], others: Sequence[Any]) -> Iterator[float]:
    return (_gap(one, other) for one, other in zip(some, others, strict=True))


def _scale(values: Any) -> float:
    """The largest magnitude of finite values."""
    array = np.abs(_wide(values))
    return float(np.max(array, initial=0.0, where=np.isfinite(array)))


def _gap(a: Any, b: Any) -> float:
    """The largest difference; infinite where only one is finite, or their infinities differ."""
    one, two = _wide(a), _wide(b)
    if one.shape != two.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - two)
    if np.isfinite(gap).all():
        return float(np.max(gap, initial=0.0))
    finite = np.isfinite(one) & np.isfinite(two)
    if not np.array_equal(one[~finite], two[~finite], equal_nan=True):
        return float("inf")
    return float(np.max(gap[finite], initial=0.0))


def _wide(values: Any) -> Any:
    """As floats of 32 bits, which are exact enough, or of 64."""
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)


def _first_batch(program: AnyMerged, part: str) -> list[np.ndarray]:
    feed = program.traced.feed
    if isinstance(feed, StreamFeed):
        return list(jax.tree.leaves(feed.first_batches.get(part)))
    rows = {"train": feed.data.train, "test": feed.data.validation}.get(part)
    return [np.asarray(leaf[: feed.sizes[part]]) for leaf in jax.tree.leaves(rows)]


def _changed(state: Sequence[np.ndarray], by: float) -> list[np.ndarray]:
    """A state whose floats are a little larger or smaller."""
    rng = np.random.default_rng(0)
    return [
        (leaf * (1 + by * rng.choice((-1, 1), leaf.shape))).astype(leaf.dtype)
        if jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating)
        else leaf
        for leaf in state
    ]


def _merged_step(
    program: AnyMerged, step: _Step, state: Sequence[np.ndarray]
) -> tuple[list[Any], bool]:
    """The outputs in the shapes of the network, and whether all padding is zero."""
    traced, count = step.traced, step.traced.layout.num_leaves
    given = program.lane_state(replace(traced, state=tuple(state)))
    args = [*given, program.constants(traced), *step.batch]
    outs = evaluate_with_numpy(program.traced_step(step.part), jax.tree.leaves(args))
    own = program.own_state(traced, outs[:count])
    padded = program.lane_state(replace(traced, state=tuple(own)))
    is_padded = all(
        a is b or np.array_equal(a, b, equal_nan=True)
        for a, b in zip(padded, outs[:count], strict=True)
    )
    return [*own, *outs[count:]], is_padded
