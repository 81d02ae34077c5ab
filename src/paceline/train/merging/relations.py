"""Relates the axes of all values of a network's steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from paceline.train.merging.axes import AxisTable
from paceline.train.merging.flat_step import (
    ConstantArray,
    FlatBody,
    FlatEquation,
    FlatStep,
    Operand,
    Scalar,
)
from paceline.train.merging.rule import Axes, Site
from paceline.train.merging.rules import RULES


@dataclass(frozen=True, eq=False)
class RelatedStep:
    """A step with the axes of its values.

    Attributes:
        step: the step.
        axes: the axes of each value.
        related: what the rule of an equation has kept, by the number of its first result.
    """

    step: FlatStep
    axes: tuple[Axes, ...]
    related: Mapping[int, Any] = field(repr=False)


def relate(step: FlatStep, leaves: Sequence[Axes], table: AxisTable) -> RelatedStep:
    """Relates the axes of a step.

    Args:
        step: its first inputs and outputs are the state.
        leaves: the axes of the leaves of the state, which all steps share.
        table: the axes so far; extended.
    """
    axes = tuple(table.news(getattr(aval, "shape", ())) for aval in step.avals)
    related: dict[int, Any] = {}
    relating = _Relating(step, axes, related, table)
    body = step.body
    for value, leaf in zip(body.inputs, leaves, strict=False):
        relating.unify(axes[value], leaf)
    for value in body.inputs[len(leaves) :]:
        for axis in axes[value]:
            table.fix(axis, "the data")
    for array in step.arrays:
        if array.number is None and axes[array.value]:
            reason = _why_fixed(array, step)
            for axis in axes[array.value]:
                table.fix(axis, reason)
    outputs = relating.body(body)
    for output, leaf in zip(outputs, leaves, strict=False):
        relating.unify(output, leaf)
    for output in outputs[len(leaves) :]:
        for axis in output:
            table.fix(axis, "a metric")
    return RelatedStep(step, axes, related)


def _why_fixed(constant: ConstantArray, step: FlatStep) -> str:
    """Why a constant array that was not lifted may not have another size."""
    array = np.asarray(constant.array)
    is_float = jnp.issubdtype(array.dtype, jnp.floating)
    if not is_float and array.dtype != bool:
        kind = "of integers"
    elif is_float and not np.isfinite(array).all():
        kind = "with infinite values or NaN"
    else:
        kind = ""
    what = f"a constant array {kind}" if kind else "a large constant array (over 1 MiB in all)"
    equations = [equation for body in step.bodies for equation in body.equations]
    layers = [one.layer for one in equations if constant.value in one.operands and one.layer]
    return f"{what}{f' in {layers[0]}' if layers else ''} depends on a size"


@dataclass(eq=False)
class _Relating:
    step: FlatStep
    axes: Sequence[Axes]
    related: dict[int, Any]
    table: AxisTable

    def unify(self, first: Axes, second: Axes) -> None:
        if len(first) != len(second):  # a scalar in place of an array
            for axis in (*first, *second):
                self.table.fix(axis, "values of different ranks")
            return
        for a, b in zip(first, second, strict=True):
            self.table.unify(a, b)

    def body(self, body: FlatBody) -> list[Axes]:
        """Relates the equations of a body; returns the axes of its outputs."""
        for equation in body.equations:
            self.equation(equation)
        return [self.of(output) for output in body.outputs]

    def inner(self, body: FlatBody, inputs: Sequence[Axes]) -> list[Axes]:
        for value, given in zip(body.inputs, inputs, strict=True):
            self.unify(self.axes[value], given)
        return self.body(body)

    def of(self, operand: Operand) -> Axes:
        return () if isinstance(operand, Scalar) else self.axes[operand]

    def equation(self, equation: FlatEquation) -> None:
        site = Site(
            equation,
            [self.of(operand) for operand in equation.operands],
            [
                one.aval if isinstance(one, Scalar) else self.step.avals[one]
                for one in equation.operands
            ],
            [self.axes[result] for result in equation.results],
            self.table,
            self.inner,
        )
        rule = RULES.get(equation.name)
        if rule is None:
            site.fix_all()
            for body in equation.bodies:
                self.body(body)
            return
        kept = rule.relate(site)
        if equation.results:
            self.related[equation.results[0]] = kept
