"""Evaluates a step for one network of a merged program, in the sizes of the program."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paceline.train.internals import bind_primitive
from paceline.train.lifted_evaluation import OverrideLookup
from paceline.train.merging.flat_step import FlatBody, FlatEquation, Operand, Scalar
from paceline.train.merging.layout import Layout
from paceline.train.merging.relations import RelatedStep
from paceline.train.merging.rule import NETWORK, Call, Padded
from paceline.train.merging.rules import RULES


@dataclass(frozen=True, slots=True)
class Constants:
    """Differences between networks besides their sizes, by number.

    Attributes:
        floats: values of scalar float constants, each ``()``.
        integers: of scalar integer constants.
        arrays: of constant arrays, padded.
    """

    floats: Mapping[int, Any] = field(default_factory=dict)
    integers: Mapping[int, Any] = field(default_factory=dict)
    arrays: Mapping[int, Any] = field(default_factory=dict)

    def of(self, constant: Scalar) -> Any:
        """The network's own value of a scalar constant; None if it is that of the traced step."""
        if constant.number is not None:
            return self.floats.get(constant.number)
        return None if constant.integer is None else self.integers.get(constant.integer)


@dataclass(frozen=True, slots=True)
class _Shaped:
    """Stands for a variable of an equation: overrides look at its type."""

    aval: Any


@dataclass(frozen=True, slots=True)
class _PaddedEquation:
    """Stands for an equation in the sizes of the program, for overrides."""

    primitive: Any
    params: Mapping[str, Any]
    invars: Sequence[_Shaped]


def evaluate_padded(
    related: RelatedStep,
    layout: Layout,
    inputs: Sequence[Any],
    constants: Constants,
    overrides: OverrideLookup | None = None,
) -> list[Any]:
    """The outputs of a step, in the sizes of the program and with zero as padding.

    Args:
        related: the step.
        layout: of the network.
        inputs: its inputs, in the sizes of the program and with zero as padding.
        constants: of the network.
        overrides: finds faster functions for equations.
    """
    evaluation = _Evaluation(related, layout, constants, overrides)
    body = related.step.body
    if len(related.step.bodies) > 1:
        layout.prepare(axis for axes in related.axes for axis in axes)
    given = [
        evaluation.value(array, related.axes[value], is_zero=True)
        for value, array in zip(body.inputs, inputs, strict=True)
    ]
    outputs = evaluation.body(body, given)
    return [evaluation.masked(output) for output in outputs]


@dataclass(eq=False)
class _Evaluation:
    related: RelatedStep
    layout: Layout
    constants: Constants
    overrides: OverrideLookup | None

    def body(self, body: FlatBody, inputs: Sequence[Padded]) -> list[Padded]:
        return self._run(body, dict(zip(body.inputs, inputs, strict=True)))

    def _run(self, body: FlatBody, values: dict[int, Padded]) -> list[Padded]:
        """Evaluates the equations of a body on padded values."""
        for constant in body.arrays:
            array = constant.array
            if constant.number is not None:
                array = self.constants.arrays.get(constant.number, array)
            values[constant.value] = self.value(
                array, self.related.axes[constant.value], is_zero=True
            )

        def inner(inside: FlatBody, inputs: Sequence[Padded]) -> list[Padded]:
            # values of the outer bodies are inputs of the inner ones
            return self.body(inside, inputs)

        for equation in body.equations:
            operands = [self._read(operand, values) for operand in equation.operands]
            for number, result in zip(
                equation.results, self._equation(equation, operands, inner), strict=True
            ):
                values[number] = self.value(result.array, result.axes, result.is_zero, result.bound)
        return [self._read(output, values) for output in body.outputs]

    def value(
        self, array: Any, axes: Sequence[int], is_zero: bool, bound: float = math.inf
    ) -> Padded:
        """A value; nothing is known of one without padding, which may meet padding of another."""
        has_padding = any(self.layout.is_ragged(axis) for axis in axes)
        if not has_padding:
            return Padded(array, tuple(axes), False, NETWORK)
        return Padded(array, tuple(axes), is_zero, bound)

    def _read(self, operand: Operand, values: Mapping[int, Padded]) -> Padded:
        if not isinstance(operand, Scalar):
            return values[operand]
        dtype = operand.aval.dtype
        own = self.constants.of(operand)
        if own is not None:
            return Padded(jnp.asarray(own, dtype), (), False, NETWORK)
        if jnp.issubdtype(dtype, jax.dtypes.extended):
            return Padded(operand.value, ())
        size = float(np.abs(operand.value))
        return Padded(operand.value, (), size == 0, size if math.isfinite(size) else math.inf)

    def _equation(
        self, equation: FlatEquation, operands: list[Padded], inner: Callable[..., list[Padded]]
    ) -> list[Padded]:
        """Evaluates one equation: by its rule where padding matters, as it is elsewhere."""
        results = [self.related.axes[result] for result in equation.results]
        axes = [*(axis for one in operands for axis in one.axes)]
        axes += [axis for result in results for axis in result]
        rule = RULES.get(equation.name)
        is_plain = not any(self.layout.is_ragged(axis) for axis in axes)

        def bind(arrays: Sequence[Any], **params: Any) -> list[Any]:
            return self._bind(equation, arrays, params)

        if rule is None or (is_plain and not equation.bodies):
            arrays = bind([operand.array for operand in operands])
            return [Padded(array, result) for array, result in zip(arrays, results, strict=True)]
        kept = self.related.related.get(equation.results[0]) if equation.results else None
        return rule.evaluate(Call(equation, operands, results, self.layout, kept, bind, inner))

    def _bind(
        self, equation: FlatEquation, arrays: Sequence[Any], changed: Mapping[str, Any]
    ) -> list[Any]:
        params = {**equation.params, **changed}
        if self.overrides is not None:
            avals = [_Shaped(jax.core.ShapedArray(jnp.shape(a), _dtype(a))) for a in arrays]
            padded = _PaddedEquation(equation.primitive, params, avals)
            faster = self.overrides(padded, equation.consumer)
            if faster is not None:
                return faster(*arrays)
        return bind_primitive(equation.primitive, params, arrays)

    def masked(self, value: Padded) -> Any:
        call = Call(None, (), (), self.layout, None, None, None)  # type: ignore[arg-type]
        return call.masked(value).array


def _dtype(array: Any) -> Any:
    return array.dtype if hasattr(array, "dtype") else jnp.result_type(array)
