"""Estimates the memory and the work of a step from its equations."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paceline.train.constant_lifting import LiftedJaxpr
from paceline.train.row_dependence import is_low_precision

Size = Callable[[Any], int]
"""The size of a value, in elements or bytes."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An equation as far as its cost is concerned.

    Attributes:
        reads: its inputs that are not constants.
        writes: its outputs.
        bodies: of a loop or a condition.
        times: how often these are evaluated; 1 where that is not known.
    """

    reads: Sequence[Hashable]
    writes: Sequence[Hashable]
    bodies: Sequence[Sequence["Evaluation"]]
    times: int = 1


def largest_alive(body: Sequence[Evaluation], size: Size) -> int:
    """The largest total size of intermediate values alive at once, evaluated in order."""
    last_use = {value: i for i, one in enumerate(body) for value in one.reads}
    alive = peak = 0
    ends: dict[int, int] = {}
    for i, one in enumerate(body):
        inner = max((largest_alive(inner, size) for inner in one.bodies), default=0)
        for value in one.writes:
            alive += size(value)
            end = last_use.get(value, i)
            ends[end] = ends.get(end, 0) + size(value)
        peak = max(peak, alive + inner)
        alive -= ends.pop(i, 0)
    return peak


def total_written(body: Sequence[Evaluation], size: Size) -> int:
    """The total size of the values computed; in each iteration of a scan, once in other loops."""
    return sum(
        one.times * sum(total_written(inner, size) for inner in one.bodies)
        if one.bodies
        else sum(map(size, one.writes))
        for one in body
    )


def peak_bytes(body: LiftedJaxpr) -> int:
    """The largest number of bytes of intermediate values alive at once, evaluated in order.

    An upper estimate, since XLA fuses many of them away.
    """
    return largest_alive(_evaluations(body), _bytes)


def num_values(body: LiftedJaxpr) -> int:
    """The number of values computed; in each iteration of a scan, and once in other loops."""
    return total_written(_evaluations(body), lambda var: math.prod(_shape(var)))


def times(name: str, params: Any) -> int:
    """How often the bodies of an equation are evaluated; 1 where that is not known."""
    return int(params.get("length", 1)) if name == "scan" else 1


def _evaluations(body: LiftedJaxpr) -> list[Evaluation]:
    return [
        Evaluation(
            [atom for atom in step.equation.invars if not hasattr(atom, "val")],
            step.equation.outvars,
            [_evaluations(inner) for inner in step.bodies],
            times(step.equation.primitive.name, step.equation.params),
        )
        for step in body.equations
    ]


def num_equations(body: LiftedJaxpr) -> int:
    """The number of equations to compile, those of loops included."""
    return sum(
        sum(num_equations(inner) for inner in step.bodies) if step.bodies else 1
        for step in body.equations
    )


def has_low_precision(body: LiftedJaxpr) -> bool:
    """Whether numbers of less than 32 bits are computed: their rounding is visible in results."""
    return any(
        any(is_low_precision(var) for var in step.equation.outvars)
        or any(has_low_precision(inner) for inner in step.bodies)
        for step in body.equations
    )


def num_evaluated(body: LiftedJaxpr) -> int:
    """The number of equations evaluated; in each iteration of a scan, and once in other loops."""
    return _num_evaluated(_evaluations(body))


def _num_evaluated(body: Sequence[Evaluation]) -> int:
    return sum(
        one.times * sum(map(_num_evaluated, one.bodies)) if one.bodies else 1 for one in body
    )


def _bytes(var: object) -> int:
    dtype = getattr(getattr(var, "aval", None), "dtype", None)
    return math.prod(_shape(var)) * (np.dtype(dtype).itemsize if isinstance(dtype, np.dtype) else 8)


def _shape(var: object) -> tuple[int, ...]:
    return tuple(getattr(getattr(var, "aval", None), "shape", ()))
