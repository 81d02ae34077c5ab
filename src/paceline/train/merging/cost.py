"""Estimates the work and the memory of a step in the sizes of a merged program."""

import math

import numpy as np

from paceline.train.cost_estimate import Evaluation, largest_alive, times, total_written
from paceline.train.merging.flat_step import FlatBody, FlatEquation, Scalar
from paceline.train.merging.layout import Layout
from paceline.train.merging.relations import RelatedStep

# The time for a value that is read and written, in operations of a product that take as long; Adam
# computes a dozen values for each weight.
_OPERATIONS_PER_VALUE = 6.0


def operations(related: RelatedStep, layout: Layout) -> float:
    """Work, in operations of products of matrices, which have two for each multiplication."""
    return _operations(related, related.step.body, layout)


def _operations(related: RelatedStep, body: FlatBody, layout: Layout) -> float:
    total = 0.0
    for equation in body.equations:
        inner = sum(_operations(related, one, layout) for one in equation.bodies)
        total += times(equation.name, equation.params) * inner + _own_operations(
            related, equation, layout
        )
    return total


def _own_operations(related: RelatedStep, equation: FlatEquation, layout: Layout) -> float:
    results = sum(math.prod(layout.shape(related.axes[one])) for one in equation.results)
    factor = equation.operands[1] if len(equation.operands) > 1 else None
    if not isinstance(factor, int) or equation.name not in ("dot_general", "conv_general_dilated"):
        return _OPERATIONS_PER_VALUE * float(results)
    shape = layout.shape(related.axes[factor])
    if equation.name == "dot_general":
        (_, summed), _ = equation.params["dimension_numbers"]
        terms = math.prod(shape[i] for i in summed)
    else:
        features = equation.params["dimension_numbers"].rhs_spec[0]
        terms = math.prod(size for i, size in enumerate(shape) if i != features)
    return 2.0 * float(results) * float(terms)


def num_values(related: RelatedStep, layout: Layout) -> int:
    """The number of values computed; in each iteration of a scan, and once in other loops."""

    def size(value: int) -> int:
        return math.prod(layout.shape(related.axes[value]))

    return total_written(_evaluations(related.step.body), size)


def peak_bytes(related: RelatedStep, layout: Layout) -> int:
    """The largest number of bytes of intermediate values alive at once, evaluated in order."""

    def size(value: int) -> int:
        dtype = getattr(related.step.avals[value], "dtype", None)
        width = np.dtype(dtype).itemsize if isinstance(dtype, np.dtype) else 8
        return math.prod(layout.shape(related.axes[value])) * width

    return largest_alive(_evaluations(related.step.body), size)


def _evaluations(body: FlatBody) -> list[Evaluation]:
    return [
        Evaluation(
            [one for one in equation.operands if not isinstance(one, Scalar)],
            equation.results,
            [_evaluations(inner) for inner in equation.bodies],
            times(equation.name, equation.params),
        )
        for equation in body.equations
    ]
