"""Lifts scalar constants out of a traced step, so that steps that differ only in them are equal.

Two training steps that differ only in scalar float constants are the same program. `lift_constants`
walks a jaxpr once, numbers its scalar float constants and computes a digest of everything else;
`evaluate` evaluates the jaxpr, with the constants that vary between lanes as inputs.

Constants in the bodies of `jit`, `custom_jvp`, ... are reached by inlining them, those in `scan`,
`while` and `cond` by rebuilding the loop around a body that closes over them. For other primitives
with a body the constants are part of the digest: the program is then another one, never a wrong
one.
"""

import hashlib
import sys
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
# parameters that follow from the sizes of a network
_SIZE_PARAMETERS: Mapping[str, frozenset[str]] = {
    "broadcast_in_dim": frozenset({"shape"}),
    "reshape": frozenset({"new_sizes"}),
    "iota": frozenset({"shape"}),
    "random_bits": frozenset({"shape"}),
    "slice": frozenset({"start_indices", "limit_indices"}),
    "pad": frozenset({"padding_config"}),
    "split": frozenset({"sizes"}),
    "gather": frozenset({"slice_sizes"}),
    "dynamic_slice": frozenset({"slice_sizes"}),
    "tile": frozenset({"reps"}),
    "conv_general_dilated": frozenset({"feature_group_count", "batch_group_count"}),
}

OverrideLookup = Callable[[Equation, Equation | None], Callable[..., list[Any]] | None]
"""Returns a faster function of the operands of an equation, or None to keep the equation.

Its arguments are the equation and the only equation that uses its result, if there is just one.
"""


@dataclass(frozen=True, slots=True)
class LiftedEquation:
    """An equation of a jaxpr.

    Attributes:
        equation: as traced.
        numbers: for each input, the number of the constant; None for a variable.
        integers: for each input, the number of the scalar integer; None for others.
        bodies: the jaxprs that it contains.
        consumer: the only equation that uses its first output; None if there are several or none,
            or the output is one of the whole jaxpr.
    """

    equation: Equation
    numbers: tuple[int | None, ...]
    integers: tuple[int | None, ...]
    bodies: tuple["LiftedJaxpr", ...]
    consumer: Equation | None


@dataclass(frozen=True, slots=True)
class LiftedJaxpr:
    """A jaxpr with numbered constants.

    Attributes:
        jaxpr: as traced.
        consts: values of its constant variables.
        const_numbers: for each of them, the number of the constant; None for an array.
        equations: its equations, in order.
        out_numbers: for each output, the number of the constant; None for a variable.
        numbers: the range of numbers of all constants in it, including those of loops.
    """

    jaxpr: Jaxpr
    consts: tuple[Any, ...]
    const_numbers: tuple[int | None, ...]
    equations: tuple[LiftedEquation, ...]
    out_numbers: tuple[int | None, ...]
    numbers: range


@dataclass(frozen=True, slots=True)
class LiftedStep:
    """A traced step with its constants lifted.

    Attributes:
        body: the step's jaxpr.
        constants: the value of each numbered constant, float64 ``(num_constants,)``.
        digest: equal for two steps exactly if they are the same program.
        integers: the value of each numbered scalar integer in an equation, int64; they are part of
            the digest, and inputs only of programs for several sizes.
        structure: equal for two steps whose equations are the same but for sizes, and integers that
            may follow from them; see `paceline.train.merging`.
    """

    body: LiftedJaxpr
    constants: np.ndarray
    digest: str
    integers: np.ndarray
    structure: str


def lift_constants(closed: ClosedJaxpr) -> LiftedStep:
    """Lifts the scalar float constants of a jaxpr."""
    lifter = _ConstantLifter()
    body = lifter.lift(closed.jaxpr, closed.consts)
    constants = np.array(lifter.constants, np.float64)
    integers = np.array(lifter.integers, np.int64)
    structure = lifter.structure.hexdigest()
    return LiftedStep(body, constants, lifter.hash.hexdigest(), integers, structure)


class _ConstantLifter:
    """Walks a jaxpr, collects its constants and updates the digest."""

    def __init__(self) -> None:
        self.constants: list[float] = []
        self.integers: list[int] = []
        self.hash = hashlib.blake2b(digest_size=16)
        self.structure = hashlib.blake2b(digest_size=16)  # the same without sizes

    def lift(self, jaxpr: Jaxpr, consts: Sequence[Any]) -> LiftedJaxpr:
        first = len(self.constants)
        ids: dict[Any, int] = {}
        pairs = zip(jaxpr.constvars, consts, strict=True)
        const_numbers = tuple(self._lift_const(var, value, ids) for var, value in pairs)
        self._write_variables("in", jaxpr.invars, ids)
        consumers = _sole_consumers(jaxpr)
        equations = tuple(self._lift_equation(e, ids, consumers) for e in jaxpr.eqns)
        out_numbers = tuple(self._read(atom, ids) for atom in jaxpr.outvars)
        numbers = range(first, len(self.constants))
        return LiftedJaxpr(jaxpr, tuple(consts), const_numbers, equations, out_numbers, numbers)

    def _lift_equation(
        self, equation: Equation, ids: dict[Any, int], consumers: Mapping[Any, Equation | None]
    ) -> LiftedEquation:
        name = equation.primitive.name
        inner = list(_inner_jaxprs(equation.params))
        enters = (name in INLINED and len(inner) == 1) or name in _LOOPS
        params = [] if enters and name in INLINED else _params_text(equation.params, enters)
        sizes = _SIZE_PARAMETERS.get(name, frozenset())
        without = [(key, text) for key, text in params if key not in sizes]
        self._write("eqn", name, params, structure=("eqn", name, without))
        bodies = tuple(self.lift(*jaxpr) for jaxpr in inner) if enters else ()
        integers = tuple(self._number_integer(atom) for atom in equation.invars)
        numbers = tuple(
            self._read(atom, ids, is_size=integer is not None)
            for atom, integer in zip(equation.invars, integers, strict=True)
        )
        self._write_variables("out", equation.outvars, ids)
        consumer = consumers.get(equation.outvars[0]) if equation.outvars else None
        return LiftedEquation(equation, numbers, integers, bodies, consumer)

    def _lift_const(self, var: Any, value: Any, ids: dict[Any, int]) -> int | None:
        ids[var] = len(ids)
        if np.ndim(value) == 0 and jnp.issubdtype(_dtype(var), jnp.floating):
            self._write("const", _type_text(var))
            return self._add_constant(float(value))
        content = hashlib.blake2b(np.asarray(value).tobytes()).hexdigest()
        is_array = np.ndim(value) > 0
        without = ("array", _rank_text(var)) if is_array else ("array", _rank_text(var), content)
        self._write("array", _type_text(var), content, structure=without)
        return None

    def _number_integer(self, atom: Any) -> int | None:
        """The number of an atom that is a scalar integer."""
        if not isinstance(atom, Literal) or np.ndim(atom.val) != 0:
            return None
        if not jnp.issubdtype(_dtype(atom), jnp.integer):
            return None
        self.integers.append(int(atom.val))
        return len(self.integers) - 1

    def _read(self, atom: Any, ids: dict[Any, int], is_size: bool = False) -> int | None:
        """Writes an atom; ``is_size``: a scalar integer that may follow from sizes."""
        if not isinstance(atom, Literal):
            self._write(ids[atom])
            return None
        if np.ndim(atom.val) == 0 and jnp.issubdtype(_dtype(atom), jnp.floating):
            self._write("constant", _dtype(atom).name)
            return self._add_constant(float(atom.val))
        items = ("literal", atom.aval.str_short(), np.asarray(atom.val).tobytes())
        self._write(*items, structure=items[:2] if is_size else items)
        return None

    def _add_constant(self, value: float) -> int:
        self.constants.append(value)
        return len(self.constants) - 1

    def _write_variables(self, place: str, variables: Sequence[Any], ids: dict[Any, int]) -> None:
        """Numbers variables and writes their types."""
        for var in variables:
            ids[var] = len(ids)
        types, ranks = (
            [_type_text(var) for var in variables],
            [_rank_text(var) for var in variables],
        )
        self._write(place, types, structure=(place, ranks))

    def _write(self, *items: Any, structure: tuple[Any, ...] | None = None) -> None:
        """Adds items to the digests; ``structure`` replaces those with sizes."""
        self.hash.update(repr(items).encode())
        self.structure.update(repr(items if structure is None else structure).encode())


def _type_text(var: Any) -> str:
    return str(var.aval.str_short()) if hasattr(var.aval, "str_short") else str(var.aval)


def _rank_text(var: Any) -> str:
    """The type of a variable without its sizes."""
    shape = getattr(var.aval, "shape", None)
    if shape is None:
        return _type_text(var)
    return f"{_dtype(var)} {len(shape)} {getattr(var.aval, 'weak_type', False)}"


def _sole_consumers(jaxpr: Jaxpr) -> dict[Any, Equation | None]:
    """For each variable the only equation that uses it; None if there are more, or for outputs."""
    consumers: dict[Any, Equation | None] = {}
    for equation in jaxpr.eqns:
        for atom in equation.invars:
            if not isinstance(atom, Literal):
                consumers[atom] = None if atom in consumers else equation
    return consumers | {atom: None for atom in jaxpr.outvars if not isinstance(atom, Literal)}


def _dtype(atom: Any) -> Any:
    return atom.aval.dtype


def _inner_jaxprs(params: Mapping[str, Any]) -> list[tuple[Jaxpr, Sequence[Any]]]:
    found: list[tuple[Jaxpr, Sequence[Any]]] = []
    for _, value in sorted(params.items()):
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):
                found.append((item.jaxpr, item.consts))
            elif isinstance(item, Jaxpr):
                found.append((item, ()))
    return found


def _params_text(params: Mapping[str, Any], without_bodies: bool) -> list[tuple[str, str]]:
    """The parameters of an equation as text, without the bodies if the walk enters them."""
    text = []
    for name, value in sorted(params.items()):
        if without_bodies and (isinstance(value, ClosedJaxpr | Jaxpr) or name == "branches"):
            continue
        text.append((name, _text(value)))
    return text


def _text(value: Any) -> str:
    """A parameter as text, equal only for equal parameters: all elements of arrays, bitwise."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return f"{value.dtype} {value.shape} {np.asarray(value).tobytes().hex()}"
    if isinstance(value, ClosedJaxpr):
        inner = lift_constants(value)
        return f"{inner.digest} {inner.constants.tobytes().hex()}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(map(_text, value))})"
    name = getattr(value, "__qualname__", None)
    if name and getattr(sys.modules.get(value.__module__), name, None) is value:
        return f"{value.__module__}.{name}"  # the same in each process; str() has the address
    return str(value)


def evaluate(
    body: LiftedJaxpr,
    args: Sequence[Any],
    lifted: Mapping[int, Any],
    overrides: OverrideLookup | None = None,
) -> list[Any]:
    """Evaluates a jaxpr.

    Args:
        body: as returned by `lift_constants`.
        args: a value for each input of the jaxpr.
        lifted: values of shape ``()`` of lifted constants, by number; the others are as traced.
        overrides: finds faster functions for equations.
    """
    env: dict[Any, Any] = {}

    def constant(number: int, traced: Any, dtype: Any) -> Any:
        return jnp.asarray(lifted[number], dtype) if number in lifted else traced

    consts = zip(body.jaxpr.constvars, body.consts, body.const_numbers, strict=True)
    for var, value, number in consts:
        env[var] = value if number is None else constant(number, value, _dtype(var))
    env.update(zip(body.jaxpr.invars, args, strict=True))

    def read(atom: Any, number: int | None) -> Any:
        if not isinstance(atom, Literal):
            return env[atom]
        return atom.val if number is None else constant(number, atom.val, _dtype(atom))

    for lifted_equation in body.equations:
        equation = lifted_equation.equation
        atoms = zip(equation.invars, lifted_equation.numbers, strict=True)
        values = [read(*atom) for atom in atoms]
        outs = _evaluate_equation(lifted_equation, values, lifted, overrides)
        env.update(zip(equation.outvars, outs, strict=True))
    return [read(*atom) for atom in zip(body.jaxpr.outvars, body.out_numbers, strict=True)]


def _evaluate_equation(
    step: LiftedEquation,
    values: list[Any],
    lifted: Mapping[int, Any],
    overrides: OverrideLookup | None,
) -> list[Any]:
    name = step.equation.primitive.name
    if step.bodies and name in INLINED:
        return evaluate(step.bodies[0], values, lifted, overrides)
    if step.bodies and any(number in lifted for body in step.bodies for number in body.numbers):
        return _REBUILT[name](step, values, lifted, overrides)
    faster = overrides(step.equation, step.consumer) if overrides else None
    return bind(step.equation, values) if faster is None else faster(*values)


def _scan(
    step: LiftedEquation,
    values: list[Any],
    lifted: Mapping[int, Any],
    overrides: OverrideLookup | None,
) -> list[Any]:
    params = step.equation.params
    num_consts, num_carry = scan_counts(params)
    consts, rest = values[:num_consts], values[num_consts:]
    carry, xs = rest[:num_carry], rest[num_carry:]

    def body(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outs = evaluate(step.bodies[0], [*consts, *carry, *x], lifted, overrides)
        return outs[:num_carry], outs[num_carry:]

    length, reverse, unroll = params["length"], params["reverse"], params["unroll"]
    carry, ys = lax.scan(body, carry, xs, length=length, reverse=reverse, unroll=unroll)
    return [*carry, *ys]


def _while(
    step: LiftedEquation,
    values: list[Any],
    lifted: Mapping[int, Any],
    overrides: OverrideLookup | None,
) -> list[Any]:
    params = step.equation.params
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    body_jaxpr, cond_jaxpr = step.bodies  # sorted by the names of their parameters
    cond_consts, rest = values[:num_cond], values[num_cond:]
    body_consts, init = rest[:num_body], rest[num_body:]

    def condition(state: Any) -> Any:
        return evaluate(cond_jaxpr, [*cond_consts, *state], lifted, overrides)[0]

    def body(state: Any) -> Any:
        return evaluate(body_jaxpr, [*body_consts, *state], lifted, overrides)

    return list(lax.while_loop(condition, body, init))


def _cond(
    step: LiftedEquation,
    values: list[Any],
    lifted: Mapping[int, Any],
    overrides: OverrideLookup | None,
) -> list[Any]:
    def branch(body: LiftedJaxpr) -> Callable[..., list[Any]]:
        return lambda *operands: evaluate(body, operands, lifted, overrides)

    index, *operands = values
    return list(lax.switch(index, [branch(body) for body in step.bodies], *operands))


_REBUILT = {"scan": _scan, "while": _while, "cond": _cond}
