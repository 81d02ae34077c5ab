"""Lifts constants out of a traced step, so that steps that differ only in them are equal.

Two training steps that differ only in scalar float constants, or in the values of small arrays, are
the same program. `lift_constants` walks a jaxpr once, numbers these constants and computes a digest
of everything else; `paceline.train.lifted_evaluation` evaluates the jaxpr, with the constants that
vary between lanes as inputs.

Constants in the bodies of `jit`, `custom_jvp`, ... are reached by inlining them, those in `scan`,
`while` and `cond` by rebuilding the loop around a body that closes over them. For other primitives
with a body the constants are part of the digest: the program is then another one, never a wrong
one.
"""

import hashlib
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paceline.train.internals import ClosedJaxpr, Equation, Jaxpr, Literal

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
    "eval_jaxpr",  # JAX 0.12
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

# Bytes of all arrays of a step that are lifted. An array takes memory in each lane and is read in
# each step, while a constant is shared by all lanes. Few networks have more than a mebibyte of
# weights; a network with larger arrays gets a program of its own.
_MAX_ARRAY_BYTES = 2**20

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_PROCESS = secrets.token_hex(8)


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
        const_numbers: for each of them, the number of the constant; None for others.
        array_numbers: for each of them, the number of the array; None for others.
        equations: its equations, in order.
        out_numbers: for each output, the number of the constant; None for a variable.
        numbers: the range of numbers of all constants in it, including those of loops.
        arrays: the same of all arrays.
    """

    jaxpr: Jaxpr
    consts: tuple[Any, ...]
    const_numbers: tuple[int | None, ...]
    array_numbers: tuple[int | None, ...]
    equations: tuple[LiftedEquation, ...]
    out_numbers: tuple[int | None, ...]
    numbers: range
    arrays: range


@dataclass(frozen=True, slots=True)
class LiftedStep:
    """A traced step with its constants lifted.

    Attributes:
        body: the step's jaxpr.
        constants: the value of each numbered constant, float64 ``(num_constants,)``.
        arrays: the value of each numbered array.
        arrays_hash: of the values of all constants that are not scalar floats, numbered or not.
        digest: equal for two steps exactly if they are the same program.
        integers: the value of each numbered scalar integer in an equation, int64; they are part of
            the digest, and inputs only of programs for several sizes.
        structure: equal for two steps whose equations are the same but for sizes, and integers that
            may follow from them; see `paceline.train.merging`.
        in_body: the constants and the arrays that stand in ``body``, which may be that of another
            network with this digest.
    """

    body: LiftedJaxpr
    constants: np.ndarray
    arrays: tuple[np.ndarray, ...]
    arrays_hash: str
    digest: str
    integers: np.ndarray
    structure: str
    in_body: tuple[np.ndarray, tuple[np.ndarray, ...]]

    def with_body_of(self, other: "LiftedStep") -> "LiftedStep":
        """The same constants, with the jaxpr of another network with this digest."""
        return replace(self, body=other.body, in_body=other.in_body)


def lift_constants(closed: ClosedJaxpr) -> LiftedStep:
    """Lifts the scalar float constants and the small arrays of a jaxpr."""
    lifter = _ConstantLifter()
    body = lifter.lift(closed.jaxpr, closed.consts)
    constants, arrays = np.array(lifter.constants, np.float64), tuple(lifter.arrays)
    return LiftedStep(
        body,
        constants=constants,
        arrays=arrays,
        arrays_hash=lifter.contents.hexdigest(),
        digest=lifter.hash.hexdigest(),
        integers=np.array(lifter.integers, np.int64),
        structure=lifter.structure.hexdigest(),
        in_body=(constants, arrays),
    )


class _ConstantLifter:
    """Walks a jaxpr, collects its constants and updates the digest."""

    def __init__(self) -> None:
        self.constants: list[float] = []
        self.integers: list[int] = []
        self.arrays: list[np.ndarray] = []
        self.contents = hashlib.blake2b(digest_size=16)  # of constants that are not scalar floats
        self.hash = hashlib.blake2b(digest_size=16)
        self.structure = hashlib.blake2b(digest_size=16)  # the same without sizes

    def lift(self, jaxpr: Jaxpr, consts: Sequence[Any]) -> LiftedJaxpr:
        first, first_array = len(self.constants), len(self.arrays)
        ids: dict[Any, int] = {}
        pairs = zip(jaxpr.constvars, consts, strict=True)
        lifted = [self._lift_const(var, value, ids) for var, value in pairs]
        self._write_variables("in", jaxpr.invars, ids)
        consumers = _sole_consumers(jaxpr)
        equations = tuple(self._lift_equation(e, ids, consumers) for e in jaxpr.eqns)
        out_numbers = tuple(self._read(atom, ids) for atom in jaxpr.outvars)
        return LiftedJaxpr(
            jaxpr,
            tuple(consts),
            const_numbers=tuple(number for number, _ in lifted),
            array_numbers=tuple(number for _, number in lifted),
            equations=equations,
            out_numbers=out_numbers,
            numbers=range(first, len(self.constants)),
            arrays=range(first_array, len(self.arrays)),
        )

    def _lift_equation(
        self, equation: Equation, ids: dict[Any, int], consumers: Mapping[Any, Equation | None]
    ) -> LiftedEquation:
        """Numbers the constants of an equation, and adds the rest of it to the hashes."""
        name = equation.primitive.name
        inner = list(inner_jaxprs(equation.params))
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

    def _lift_const(
        self, var: Any, value: Any, ids: dict[Any, int]
    ) -> tuple[int | None, int | None]:
        """The number of the constant and the number of the array; None for what it is not."""
        ids[var] = len(ids)
        if np.ndim(value) == 0 and jnp.issubdtype(_dtype(var), jnp.floating):
            self._write("const", _type_text(var))
            return self._add_constant(float(value)), None
        array = np.asarray(value)
        content = hashlib.blake2b(array.tobytes()).hexdigest()
        self.contents.update(f"{array.dtype} {array.shape} {content}".encode())
        if self._is_liftable(array):
            self._write("lifted", _type_text(var), structure=("lifted", _rank_text(var)))
            self.arrays.append(np.asarray(array, _dtype(var)))  # float64 without x64 is float32
            return None, len(self.arrays) - 1
        without = ("array", _rank_text(var), *(() if array.ndim else (content,)))
        self._write("array", _type_text(var), content, structure=without)
        return None, None

    def _is_liftable(self, array: np.ndarray) -> bool:
        """Whether an array may become an input: small, of floats or bools.

        Integers may be places at which values are read, promised to be sorted or unique. Padding of
        a merged program relies on values that are finite.
        """
        if array.ndim == 0 or self._array_bytes + array.nbytes > _MAX_ARRAY_BYTES:
            return False
        if array.dtype == np.bool_:
            return True
        return jnp.issubdtype(array.dtype, jnp.floating) and bool(np.isfinite(array).all())

    @property
    def _array_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

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


def inner_jaxprs(params: Mapping[str, Any]) -> list[tuple[Jaxpr, Sequence[Any]]]:
    """The jaxprs among the parameters of an equation, with the values of their constants."""
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
        return f"{inner.digest} {inner.constants.tobytes().hex()} {inner.arrays_hash}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(map(_text, value))})"
    name = getattr(value, "__qualname__", None)
    if name and getattr(sys.modules.get(value.__module__), name, None) is value:
        return f"{value.__module__}.{name}"  # the same in each process; str() has the address
    text = str(value)
    # an address says nothing of what lies there in another process
    return f"{text} in {_PROCESS}" if _ADDRESS.search(text) else text
