"""A traced step taken apart: what makes it the same program as another, and how to run it with
other numbers.

Two training steps that differ only in scalar float constants are one program. `dissect` walks a
jaxpr once, gives every scalar float constant a number and makes a digest of all the rest; `run`
evaluates the jaxpr, taking constants that vary between lanes from outside.

Constants inside the bodies of `jit`, `custom_jvp`, ... are reached by inlining them, those inside
`scan`, `while` and `cond` by rebuilding the loop around a body that closes over them. Any other
primitive with a body of its own keeps
its constants in the digest: it is then another program, never a wrong one.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.internals import ClosedJaxpr, Equation, Jaxpr, Literal, bind, scan_counts

INLINED = {
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "remat",
    "remat2",
}
_LOOPS = {"scan", "while", "cond"}

Replacement = Callable[[Equation, Equation | None], Callable[..., list[Any]] | None]
"""Given an equation, and the one that alone reads it, a faster function of its operands, or None to
keep it.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One equation.

    Attributes:
        equation: as traced.
        slots: number the constants among its inputs.
        bodies: the programs inside it.
        reader: the one equation that reads its first output; None where there are several, or none,
            or it is an output of the whole.
    """

    equation: Equation
    slots: tuple[int | None, ...]
    bodies: tuple["Body", ...]
    reader: Equation | None


@dataclass(frozen=True, slots=True)
class Body:
    """A jaxpr with its equations in order; ``numbers`` spans the constants numbered inside it,
    loops included.
    """

    jaxpr: Jaxpr
    consts: tuple[Any, ...]
    const_slots: tuple[int | None, ...]
    steps: tuple[Step, ...]
    out_slots: tuple[int | None, ...]
    numbers: range


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A traced step taken apart.

    Attributes:
        body: the step, to be run.
        constants: value of each numbered constant, float64 ``(num_constants,)``.
        digest: equal for two steps exactly when they are the same program.
    """

    body: Body
    constants: np.ndarray
    digest: str


def dissect(closed: ClosedJaxpr) -> Anatomy:
    """Takes a traced step apart."""
    dissection = _Dissection()
    body = dissection.body(closed.jaxpr, closed.consts)
    return Anatomy(body, np.array(dissection.constants, np.float64), dissection.hash.hexdigest())


class _Dissection:
    """The walk: collects constants and feeds the digest."""

    def __init__(self) -> None:
        self.constants: list[float] = []
        self.hash = hashlib.blake2b(digest_size=16)

    def body(self, jaxpr: Jaxpr, consts: Sequence[Any]) -> Body:
        first = len(self.constants)
        ids: dict[Any, int] = {}
        const_slots = tuple(
            self._const(var, value, ids) for var, value in zip(jaxpr.constvars, consts, strict=True)
        )
        self._write("in", [self._variable(var, ids) for var in jaxpr.invars])
        readers = _sole_readers(jaxpr)
        steps = tuple(self._step(equation, ids, readers) for equation in jaxpr.eqns)
        out_slots = tuple(self._read(atom, ids) for atom in jaxpr.outvars)
        return Body(
            jaxpr, tuple(consts), const_slots, steps, out_slots, range(first, len(self.constants))
        )

    def _step(
        self, equation: Equation, ids: dict[Any, int], readers: Mapping[Any, Equation | None]
    ) -> Step:
        name = equation.primitive.name
        subs = list(_sub_programs(equation.params))
        enters = (name in INLINED and len(subs) == 1) or name in _LOOPS
        self._write(
            "eqn", name, "" if enters and name in INLINED else _params_text(equation.params, enters)
        )
        bodies = tuple(self.body(*sub) for sub in subs) if enters else ()
        slots = tuple(self._read(atom, ids) for atom in equation.invars)
        self._write("out", [self._variable(var, ids) for var in equation.outvars])
        return Step(
            equation, slots, bodies, readers.get(equation.outvars[0]) if equation.outvars else None
        )

    def _const(self, var: Any, value: Any, ids: dict[Any, int]) -> int | None:
        text = self._variable(var, ids)
        if np.ndim(value) == 0 and jnp.issubdtype(_dtype(var), jnp.floating):
            self._write("const", text)
            return self._number(float(value))
        self._write("array", text, hashlib.blake2b(np.asarray(value).tobytes()).hexdigest())
        return None

    def _read(self, atom: Any, ids: dict[Any, int]) -> int | None:
        if not isinstance(atom, Literal):
            self._write(ids[atom])
            return None
        if np.ndim(atom.val) == 0 and jnp.issubdtype(_dtype(atom), jnp.floating):
            self._write("constant", _dtype(atom).name)
            return self._number(float(atom.val))
        self._write("literal", atom.aval.str_short(), np.asarray(atom.val).tobytes())
        return None

    def _number(self, value: float) -> int:
        self.constants.append(value)
        return len(self.constants) - 1

    def _variable(self, var: Any, ids: dict[Any, int]) -> str:
        ids[var] = len(ids)
        return str(var.aval.str_short()) if hasattr(var.aval, "str_short") else str(var.aval)

    def _write(self, *parts: Any) -> None:
        self.hash.update(repr(parts).encode())


def _sole_readers(jaxpr: Jaxpr) -> dict[Any, Equation | None]:
    """For each variable that is read the one equation that reads it; None where there are more, or
    it is an output.
    """
    readers: dict[Any, Equation | None] = {}
    for equation in jaxpr.eqns:
        for atom in equation.invars:
            if not isinstance(atom, Literal):
                readers[atom] = None if atom in readers else equation
    return readers | {atom: None for atom in jaxpr.outvars if not isinstance(atom, Literal)}


def _dtype(atom: Any) -> Any:
    return atom.aval.dtype


def _sub_programs(params: Mapping[str, Any]) -> list[tuple[Jaxpr, Sequence[Any]]]:
    found: list[tuple[Jaxpr, Sequence[Any]]] = []
    for _, value in sorted(params.items()):
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):
                found.append((item.jaxpr, item.consts))
            elif isinstance(item, Jaxpr):
                found.append((item, ()))
    return found


def _params_text(params: Mapping[str, Any], without_bodies: bool) -> list[tuple[str, str]]:
    """The parameters of an equation as text; bodies that are entered are written by the walk
    itself.
    """
    text = []
    for name, value in sorted(params.items()):
        if without_bodies and (isinstance(value, ClosedJaxpr | Jaxpr) or name == "branches"):
            continue
        text.append((name, _text(value)))
    return text


def _text(value: Any) -> str:
    """A parameter as text that is equal only where the parameter is: numbers bit by bit, none left
    out.
    """
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return f"{value.dtype} {value.shape} {np.asarray(value).tobytes().hex()}"
    if isinstance(value, ClosedJaxpr):
        inner = dissect(value)
        return f"{inner.digest} {inner.constants.tobytes().hex()}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(map(_text, value))})"
    return str(value)


def run(
    body: Body,
    args: Sequence[Any],
    lifted: Mapping[int, Any],
    replacement: Replacement | None = None,
) -> list[Any]:
    """Evaluates a dissected step.

    Args:
        body: what `dissect` made of it.
        args: one value for each input of the jaxpr.
        lifted: values, shape ``()``, of the constants that come from outside, by number; the others
            are as traced.
        replacement: gives faster functions for some equations.
    """
    env: dict[Any, Any] = {}

    def constant(slot: int, atom_value: Any, dtype: Any) -> Any:
        return jnp.asarray(lifted[slot], dtype) if slot in lifted else atom_value

    for var, value, slot in zip(body.jaxpr.constvars, body.consts, body.const_slots, strict=True):
        env[var] = value if slot is None else constant(slot, value, _dtype(var))
    env.update(zip(body.jaxpr.invars, args, strict=True))

    def read(atom: Any, slot: int | None) -> Any:
        if not isinstance(atom, Literal):
            return env[atom]
        return atom.val if slot is None else constant(slot, atom.val, _dtype(atom))

    for step in body.steps:
        values = [
            read(atom, slot) for atom, slot in zip(step.equation.invars, step.slots, strict=True)
        ]
        outs = _evaluate(step, values, lifted, replacement)
        env.update(zip(step.equation.outvars, outs, strict=True))
    return [read(atom, slot) for atom, slot in zip(body.jaxpr.outvars, body.out_slots, strict=True)]


def _evaluate(
    step: Step, values: list[Any], lifted: Mapping[int, Any], replacement: Replacement | None
) -> list[Any]:
    name = step.equation.primitive.name
    if step.bodies and name in INLINED:
        return run(step.bodies[0], values, lifted, replacement)
    if step.bodies and any(number in lifted for body in step.bodies for number in body.numbers):
        return _REBUILT[name](step, values, lifted, replacement)
    faster = replacement(step.equation, step.reader) if replacement else None
    return bind(step.equation, values) if faster is None else faster(*values)


def _scan(
    step: Step, values: list[Any], lifted: Mapping[int, Any], replacement: Replacement | None
) -> list[Any]:
    params = step.equation.params
    num_consts, num_carry = scan_counts(params)
    consts, carry, xs = (
        values[:num_consts],
        values[num_consts:][:num_carry],
        values[num_consts + num_carry :],
    )

    def once(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outs = run(step.bodies[0], [*consts, *carry, *x], lifted, replacement)
        return outs[:num_carry], outs[num_carry:]

    length, reverse, unroll = params["length"], params["reverse"], params["unroll"]
    carry, ys = lax.scan(once, carry, xs, length=length, reverse=reverse, unroll=unroll)
    return [*carry, *ys]


def _while(
    step: Step, values: list[Any], lifted: Mapping[int, Any], replacement: Replacement | None
) -> list[Any]:
    params = step.equation.params
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    bodies = {
        "body_jaxpr": step.bodies[0],
        "cond_jaxpr": step.bodies[1],
    }  # in the order of their names
    cond_consts, body_consts, init = (
        values[:num_cond],
        values[num_cond:][:num_body],
        values[num_cond + num_body :],
    )

    def go_on(state: Any) -> Any:
        return run(bodies["cond_jaxpr"], [*cond_consts, *state], lifted, replacement)[0]

    def once(state: Any) -> Any:
        return run(bodies["body_jaxpr"], [*body_consts, *state], lifted, replacement)

    return list(lax.while_loop(go_on, once, init))


def _cond(
    step: Step, values: list[Any], lifted: Mapping[int, Any], replacement: Replacement | None
) -> list[Any]:
    def branch(body: Body) -> Callable[..., list[Any]]:
        return lambda *operands: run(body, operands, lifted, replacement)

    index, *operands = values
    return list(lax.switch(index, [branch(body) for body in step.bodies], *operands))


_REBUILT = {"scan": _scan, "while": _while, "cond": _cond}
