"""A traced step as a list of equations over numbered values, with calls inlined.

The body of a ``jit`` may occur several times in a jaxpr, each time with other sizes in a merged
program, so each of its values gets a number of its own here. Bodies of loops stay bodies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paceline.train.constant_lifting import INLINED, LiftedEquation, LiftedJaxpr
from paceline.train.internals import Literal, layer_of


@dataclass(frozen=True, slots=True)
class Scalar:
    """A constant of an equation.

    Attributes:
        value: as traced.
        aval: its type.
        number: number of the float constant, as in `LiftedEquation`; None for other types.
        integer: number of the integer constant; None for other types.
    """

    value: Any
    aval: Any
    number: int | None = None
    integer: int | None = None


Operand = int | Scalar
"""The number of a value, or a constant."""


@dataclass(frozen=True, slots=True)
class ConstantArray:
    """A constant that is not a scalar.

    Attributes:
        value: its number among the values of the step.
        array: as traced.
        number: as in `LiftedJaxpr.array_numbers`; None if it is the same for all networks.
    """

    value: int
    array: np.ndarray
    number: int | None


@dataclass(frozen=True, slots=True)
class FlatEquation:
    """An equation.

    Attributes:
        primitive: of JAX.
        params: of the primitive.
        operands: its inputs.
        results: numbers of its outputs.
        bodies: of a loop.
        consumer: see `LiftedEquation`.
        layer: the name of the Keras layer in which it was traced; empty if in none.
    """

    primitive: Any
    params: Mapping[str, Any]
    operands: tuple[Operand, ...]
    results: tuple[int, ...]
    bodies: "tuple[FlatBody, ...]"
    consumer: Any
    layer: str = ""

    @property
    def name(self) -> str:
        """The name of the primitive."""
        return str(self.primitive.name)


@dataclass(frozen=True, slots=True)
class FlatBody:
    """Equations with their inputs and outputs, and the arrays that these need."""

    inputs: tuple[int, ...]
    arrays: tuple[ConstantArray, ...]
    equations: tuple[FlatEquation, ...]
    outputs: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class FlatStep:
    """A step.

    Attributes:
        body: its equations.
        avals: the type of each value, also of those in bodies.
    """

    body: FlatBody
    avals: tuple[Any, ...]

    @property
    def bodies(self) -> list[FlatBody]:
        """The step's body and those of its loops, in order."""
        return list(_bodies(self.body))

    @property
    def values(self) -> list[int]:
        """The numbers of all values that are needed."""
        found = [value for body in self.bodies for value in body.inputs]
        equations = [equation for body in self.bodies for equation in body.equations]
        return found + [value for equation in equations for value in equation.results]

    @property
    def arrays(self) -> list[ConstantArray]:
        """The constants that are not scalars, in order."""
        return [array for body in self.bodies for array in body.arrays]


def _bodies(body: FlatBody) -> Sequence[FlatBody]:
    inner = [each for equation in body.equations for each in equation.bodies]
    return [body, *(found for each in inner for found in _bodies(each))]


def flatten(body: LiftedJaxpr) -> FlatStep:
    """Inlines the calls of a lifted jaxpr."""
    flattener = _Flattener()
    inputs = flattener.declare(body.jaxpr.invars)
    flat = flattener.body(body, inputs)
    return FlatStep(flat, tuple(flattener.avals))


def _needed(
    equations: Sequence[FlatEquation], outputs: Sequence[Operand]
) -> tuple[tuple[FlatEquation, ...], set[int]]:
    """The equations on which the outputs depend, and all values that these need."""
    needed = {output for output in outputs if not isinstance(output, Scalar)}
    kept = []
    for equation in reversed(equations):
        if needed & set(equation.results):
            kept.append(equation)
            needed |= {one for one in equation.operands if not isinstance(one, Scalar)}
    return tuple(reversed(kept)), needed


@dataclass(eq=False)
class _Body:
    """What a body collects while the calls in it are inlined."""

    equations: list[FlatEquation] = field(default_factory=list)
    arrays: list[ConstantArray] = field(default_factory=list)


class _Flattener:
    def __init__(self) -> None:
        self.avals: list[Any] = []

    def declare(self, variables: Sequence[Any]) -> tuple[int, ...]:
        first = len(self.avals)
        self.avals += [variable.aval for variable in variables]
        return tuple(range(first, len(self.avals)))

    def body(self, lifted: LiftedJaxpr, inputs: Sequence[int], layer: str = "") -> FlatBody:
        block = _Body()
        outputs = self._walk(lifted, inputs, block, layer)
        equations, needed = _needed(block.equations, outputs)
        arrays = tuple(array for array in block.arrays if array.value in needed)
        return FlatBody(tuple(inputs), arrays, equations, tuple(outputs))

    def _walk(
        self, lifted: LiftedJaxpr, inputs: Sequence[Operand], block: _Body, outer: str
    ) -> list[Operand]:
        """Adds the equations of a jaxpr to a body, those of called functions in their place."""
        env: dict[Any, Operand] = dict(zip(lifted.jaxpr.invars, inputs, strict=True))
        numbers = zip(lifted.const_numbers, lifted.array_numbers, strict=True)
        consts = zip(lifted.jaxpr.constvars, lifted.consts, strict=True)
        for (variable, value), (number, array) in zip(consts, numbers, strict=True):
            if np.ndim(value) or jnp.issubdtype(value.dtype, jax.dtypes.extended):
                (env[variable],) = declared = self.declare([variable])
                block.arrays.append(ConstantArray(declared[0], value, array))
            else:
                env[variable] = Scalar(value, variable.aval, number)
        for step in lifted.equations:
            equation = step.equation
            layer = layer_of(equation) or outer
            atoms = zip(equation.invars, step.numbers, step.integers, strict=True)
            operands = [_read(env, *atom) for atom in atoms]
            if step.bodies and equation.primitive.name in INLINED:
                results = self._walk(step.bodies[0], operands, block, layer)
            else:
                results = self._equation(step, operands, block, layer)
            env.update(zip(equation.outvars, results, strict=True))
        outputs = zip(lifted.jaxpr.outvars, lifted.out_numbers, strict=True)
        return [_read(env, atom, number) for atom, number in outputs]

    def _equation(
        self, step: LiftedEquation, operands: list[Operand], block: _Body, layer: str
    ) -> list[Operand]:
        """Adds one equation, with bodies of its own; returns its results."""
        bodies = tuple(self.body(one, self.declare(one.jaxpr.invars), layer) for one in step.bodies)
        results = self.declare(step.equation.outvars)
        params = step.equation.params
        block.equations.append(
            FlatEquation(
                step.equation.primitive,
                params,
                tuple(operands),
                results,
                bodies,
                step.consumer,
                layer,
            )
        )
        return list(results)


def _read(
    env: Mapping[Any, Operand], atom: Any, number: int | None, integer: int | None = None
) -> Operand:
    return Scalar(atom.val, atom.aval, number, integer) if isinstance(atom, Literal) else env[atom]
