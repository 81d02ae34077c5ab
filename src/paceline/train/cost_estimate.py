"""Estimates the memory and the work of a step from its equations."""

import math

import numpy as np

from paceline.train.constant_lifting import LiftedJaxpr
from paceline.train.row_dependence import is_low_precision


def peak_bytes(body: LiftedJaxpr) -> int:
    """The largest number of bytes of intermediate values alive at once, evaluated in order.

    An upper estimate, since XLA fuses many of them away.
    """
    last_use: dict[object, int] = {}
    for i, step in enumerate(body.equations):
        for atom in step.equation.invars:
            if not hasattr(atom, "val"):
                last_use[atom] = i
    alive = peak = 0
    ends: dict[int, int] = {}
    for i, step in enumerate(body.equations):
        inner = max((peak_bytes(inner) for inner in step.bodies), default=0)
        for var in step.equation.outvars:
            size = _bytes(var)
            alive += size
            ends[last_use.get(var, i)] = ends.get(last_use.get(var, i), 0) + size
        peak = max(peak, alive + inner)
        alive -= ends.pop(i, 0)
    return peak


def num_values(body: LiftedJaxpr) -> int:
    """The number of values computed; in each iteration of a scan, and once in other loops."""
    count = 0
    for step in body.equations:
        is_scan = step.equation.primitive.name == "scan"
        times = step.equation.params.get("length", 1) if is_scan else 1
        if step.bodies:
            count += times * sum(num_values(inner) for inner in step.bodies)
        else:
            count += sum(math.prod(_shape(var)) for var in step.equation.outvars)
    return count


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
    count = 0
    for step in body.equations:
        is_scan = step.equation.primitive.name == "scan"
        times = step.equation.params.get("length", 1) if is_scan else 1
        count += times * sum(num_evaluated(inner) for inner in step.bodies) if step.bodies else 1
    return count


def _bytes(var: object) -> int:
    dtype = getattr(getattr(var, "aval", None), "dtype", None)
    return math.prod(_shape(var)) * (np.dtype(dtype).itemsize if isinstance(dtype, np.dtype) else 8)


def _shape(var: object) -> tuple[int, ...]:
    return tuple(getattr(getattr(var, "aval", None), "shape", ()))
