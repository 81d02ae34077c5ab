"""Evaluates a traced step with the constants of a lane, see `paceline.train.constant_lifting`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from paceline.train.constant_lifting import INLINED, LiftedEquation, LiftedJaxpr
from paceline.train.internals import Equation, Literal, bind, scan_counts

OverrideLookup = Callable[[Equation, Equation | None], Callable[..., list[Any]] | None]
"""Returns a faster function of the operands of an equation, or None to keep the equation.

Its arguments are the equation and the only equation that uses its result, if there is just one.
"""


def evaluate(
    body: LiftedJaxpr,
    args: Sequence[Any],
    constants: Mapping[int, Any],
    overrides: OverrideLookup | None = None,
    arrays: Mapping[int, Any] | None = None,
) -> list[Any]:
    """Evaluates a jaxpr.

    Args:
        body: as returned by `lift_constants`.
        args: a value for each input of the jaxpr.
        constants: values of shape ``()`` of lifted constants, by number; the others are as traced.
        overrides: finds faster functions for equations.
        arrays: values of lifted arrays, by number; the others are as traced.
    """
    return _LaneEvaluation(constants, arrays or {}, overrides).body(body, args)


@dataclass(frozen=True, slots=True)
class _LaneEvaluation:
    constants: Mapping[int, Any]
    arrays: Mapping[int, Any]
    overrides: OverrideLookup | None

    def body(self, body: LiftedJaxpr, args: Sequence[Any]) -> list[Any]:
        env: dict[Any, Any] = {}
        numbers = zip(body.const_numbers, body.array_numbers, strict=True)
        for var, value, (number, array) in zip(
            body.jaxpr.constvars, body.consts, numbers, strict=True
        ):
            own = value if array is None else self.arrays.get(array, value)
            env[var] = own if number is None else self._constant(number, value, var)
        env.update(zip(body.jaxpr.invars, args, strict=True))

        def read(atom: Any, number: int | None) -> Any:
            if not isinstance(atom, Literal):
                return env[atom]
            return atom.val if number is None else self._constant(number, atom.val, atom)

        for step in body.equations:
            atoms = zip(step.equation.invars, step.numbers, strict=True)
            outs = self._equation(step, [read(*atom) for atom in atoms])
            env.update(zip(step.equation.outvars, outs, strict=True))
        return [read(*atom) for atom in zip(body.jaxpr.outvars, body.out_numbers, strict=True)]

    def _constant(self, number: int, traced: Any, atom: Any) -> Any:
        if number not in self.constants:
            return traced
        return jnp.asarray(self.constants[number], atom.aval.dtype)

    def _equation(self, step: LiftedEquation, values: list[Any]) -> list[Any]:
        name = step.equation.primitive.name
        if step.bodies and name in INLINED:
            return self.body(step.bodies[0], values)
        if any(self._has_own(body) for body in step.bodies):
            return _REBUILT[name](self, step, values)
        faster = self.overrides(step.equation, step.consumer) if self.overrides else None
        return bind(step.equation, values) if faster is None else faster(*values)

    def _has_own(self, body: LiftedJaxpr) -> bool:
        """Whether a body contains a constant of the lane."""
        is_own = any(number in self.constants for number in body.numbers)
        return is_own or any(number in self.arrays for number in body.arrays)


def _scan(evaluation: _LaneEvaluation, step: LiftedEquation, values: list[Any]) -> list[Any]:
    params = step.equation.params
    num_consts, num_carry = scan_counts(params)
    consts, rest = values[:num_consts], values[num_consts:]
    carry, xs = rest[:num_carry], rest[num_carry:]

    def body(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outs = evaluation.body(step.bodies[0], [*consts, *carry, *x])
        return outs[:num_carry], outs[num_carry:]

    length, reverse, unroll = params["length"], params["reverse"], params["unroll"]
    carry, ys = lax.scan(body, carry, xs, length=length, reverse=reverse, unroll=unroll)
    return [*carry, *ys]


def _while(evaluation: _LaneEvaluation, step: LiftedEquation, values: list[Any]) -> list[Any]:
    params = step.equation.params
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    body_jaxpr, cond_jaxpr = step.bodies  # sorted by the names of their parameters
    cond_consts, rest = values[:num_cond], values[num_cond:]
    body_consts, init = rest[:num_body], rest[num_body:]

    def condition(state: Any) -> Any:
        return evaluation.body(cond_jaxpr, [*cond_consts, *state])[0]

    def body(state: Any) -> Any:
        return evaluation.body(body_jaxpr, [*body_consts, *state])

    return list(lax.while_loop(condition, body, init))


def _cond(evaluation: _LaneEvaluation, step: LiftedEquation, values: list[Any]) -> list[Any]:
    def branch(body: LiftedJaxpr) -> Callable[..., list[Any]]:
        return lambda *operands: evaluation.body(body, operands)

    index, *operands = values
    return list(lax.switch(index, [branch(body) for body in step.bodies], *operands))


_REBUILT = {"scan": _scan, "while": _while, "cond": _cond}
