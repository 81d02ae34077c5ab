"""How much memory and work a step needs, from its equations alone."""

import math

import numpy as np

from paceline.train.anatomy import Body


def peak_bytes(body: Body) -> int:
    """The most bytes of intermediate values that are alive at once when the equations run in order.

    XLA fuses many of them away, so this is an upper estimate.
    """
    last_use: dict[object, int] = {}
    for i, step in enumerate(body.steps):
        for atom in step.equation.invars:
            if not hasattr(atom, "val"):
                last_use[atom] = i
    alive = peak = 0
    ends: dict[int, int] = {}
    for i, step in enumerate(body.steps):
        inner = max((peak_bytes(inner) for inner in step.bodies), default=0)
        for var in step.equation.outvars:
            size = _bytes(var)
            alive += size
            ends[last_use.get(var, i)] = ends.get(last_use.get(var, i), 0) + size
        peak = max(peak, alive + inner)
        alive -= ends.pop(i, 0)
    return peak


def num_values(body: Body) -> int:
    """How many numbers the equations compute, those of a scan each time round; of other loops,
    once.
    """
    count = 0
    for step in body.steps:
        times = (
            step.equation.params.get("length", 1) if step.equation.primitive.name == "scan" else 1
        )
        inner = sum(num_values(inner) for inner in step.bodies)
        count += (
            times * inner
            if step.bodies
            else sum(math.prod(_shape(var)) for var in step.equation.outvars)
        )
    return count


def _bytes(var: object) -> int:
    dtype = getattr(getattr(var, "aval", None), "dtype", None)
    return math.prod(_shape(var)) * (np.dtype(dtype).itemsize if isinstance(dtype, np.dtype) else 8)


def _shape(var: object) -> tuple[int, ...]:
    return tuple(getattr(getattr(var, "aval", None), "shape", ()))
