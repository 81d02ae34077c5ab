"""Compares a merged program with a network's own step, before the network trains in it.

Behind the rules, which are correct as far as is known, stands a comparison of numbers: one batch,
the step of the program against the network's own traced step, both evaluated by NumPy, as compiling
the network's own step is what a merged program saves. Differences are judged by those that rounding
makes: the network's own step is evaluated again with its weights changed in the last bit. An
optimizer may turn a gradient that is only rounding error into a full step, in both comparisons.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from paceline.train.internals import ClosedJaxpr
from paceline.train.merged_program import MergedProgram, MergedStreamProgram
from paceline.train.numpy_evaluation import evaluate_with_numpy
from paceline.train.stream_feed import StreamFeed
from paceline.train.traced_model import TracedModel

AnyMerged = MergedProgram | MergedStreamProgram

_RELATIVE, _ABSOLUTE = 2e-5, 1e-6
_TIMES_ROUNDING = 50.0
_LAST_BIT = 1.2e-7


def difference(program: AnyMerged, traced: TracedModel) -> str:
    """How a network would differ in a merged program; empty if it would not.

    Args:
        program: the program.
        traced: the network, with steps of its own.
    """
    batch = _first_batch(program)
    own = _own_step(traced, traced.state, batch)
    disturbed = _own_step(traced, _disturbed(traced.state), batch)
    merged, is_padded = _merged_step(program, traced, batch)
    count = traced.layout.num_leaves
    names = [*("a variable",) * count, *traced.parts["train"].log_names]
    for name, alone, changed, together in zip(names, own, disturbed, merged, strict=True):
        gap = _gap(alone, together)
        allowed = _ABSOLUTE + _RELATIVE * _scale(alone)
        rounding = _gap(alone, changed)
        if np.isfinite(rounding):
            allowed += _TIMES_ROUNDING * rounding
        if not gap <= allowed:
            return f"{name} differs by {gap:.1e} from that of the network alone"
    return "" if is_padded else "padding is not zero after a step"


def _scale(values: Any) -> float:
    """The largest magnitude of finite values."""
    array = np.abs(np.asarray(values, np.float64))
    return float(np.max(array, initial=0.0, where=np.isfinite(array)))


def _gap(a: Any, b: Any) -> float:
    """The largest difference; infinite where only one is finite, or their infinities differ."""
    one, two = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if one.shape != two.shape:
        return float("inf")
    finite = np.isfinite(one) & np.isfinite(two)
    if not np.array_equal(one[~finite], two[~finite], equal_nan=True):
        return float("inf")
    return float(np.max(np.abs(one[finite] - two[finite]), initial=0.0))


def _first_batch(program: AnyMerged) -> list[np.ndarray]:
    feed = program.feed
    if isinstance(feed, StreamFeed):
        return list(jax.tree.leaves(feed.first_batch))
    return [np.asarray(leaf[: feed.sizes["train"]]) for leaf in jax.tree.leaves(feed.data.train)]


def _disturbed(state: Sequence[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (leaf * (1 + _LAST_BIT * rng.choice((-1, 1), leaf.shape))).astype(leaf.dtype)
        if jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating)
        else leaf
        for leaf in state
    ]


def _own_step(
    traced: TracedModel, state: Sequence[np.ndarray], batch: Sequence[np.ndarray]
) -> list[Any]:
    body = traced.parts["train"].code.body
    return evaluate_with_numpy(ClosedJaxpr(body.jaxpr, body.consts), [*state, *batch])


def _merged_step(
    program: AnyMerged, traced: TracedModel, batch: Sequence[np.ndarray]
) -> tuple[list[Any], bool]:
    """The outputs in the shapes of the network, and whether all padding is zero."""
    args = [*program.lane_state(traced), program.constants(traced), *batch]
    outs = evaluate_with_numpy(program.train_step, jax.tree.leaves(args))
    count = traced.layout.num_leaves
    own = program.own_state(traced, outs[:count])
    padded = program.lane_state(replace(traced, state=tuple(own)))
    is_padded = all(_gap(a, b) == 0.0 for a, b in zip(padded, outs[:count], strict=True))
    return [*own, *outs[count:]], is_padded
