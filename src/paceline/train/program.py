"""The common base of programs for arrays and for streams.

A *program* is the traced training step of a network structure with its constants lifted out. Models
that differ only in such constants (learning rate, dropout, L2, class weights, ...) share it: each
trains in a *lane* of a cohort, with its own constants, and all lanes are one `vmap`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from paceline.train.cost_estimate import num_values, peak_bytes
from paceline.train.lifted_evaluation import OverrideLookup, evaluate
from paceline.train.traced_model import TracedModel

# Constants of plain arithmetic, which no configuration varies. All others are lifted, so that
# a new value never needs another program; a wrong guess costs a compilation and does not change
# results.
_ARITHMETIC = frozenset({0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, float("inf"), float("-inf")})

_ARRAY = "{} array {}"  # a part and a number, among the constants of a lane

Numbers = Mapping[str, tuple[int, ...]]
"""Numbers of constants, for each part."""


@dataclass(frozen=True, slots=True)
class LiftedConstants:
    """The constants that are inputs of a program.

    Attributes:
        floats: numbers of scalars.
        arrays: numbers of arrays.
    """

    floats: Numbers
    arrays: Numbers

    def joined(self, other: "LiftedConstants") -> "LiftedConstants":
        """Those of either."""
        return LiftedConstants(joined(self.floats, other.floats), joined(self.arrays, other.arrays))


def joined(one: Numbers, other: Numbers) -> dict[str, tuple[int, ...]]:
    """Numbers that are in either, in order."""
    return {name: tuple(sorted({*numbers, *other[name]})) for name, numbers in one.items()}


def lifted_constants(traced: Sequence[TracedModel]) -> LiftedConstants:
    """Selects the constants to lift from a program.

    Scalars that differ between models, or might; arrays that differ: those that are equal take
    memory only once.
    """
    arrays = {}
    for name in traced[0].parts:
        tables = zip(*(model.arrays(name) for model in traced), strict=True)
        arrays[name] = tuple(i for i, own in enumerate(tables) if not _are_equal(own))
    return LiftedConstants(_lifted_floats(traced), arrays)


def _lifted_floats(traced: Sequence[TracedModel]) -> Numbers:
    lifted: dict[str, tuple[int, ...]] = {}
    for name in traced[0].parts:
        table = np.stack([model.constants(name) for model in traced])
        differs = (_bits(table) != _bits(table[0])).any(axis=0)
        is_lifted = [
            differs[i] or float(table[0, i]) not in _ARITHMETIC for i in range(table.shape[1])
        ]
        lifted[name] = tuple(int(i) for i in np.flatnonzero(is_lifted))
    return lifted


def is_always_lifted(value: object) -> bool:
    """Whether a value of a configuration becomes a lifted constant in any case.

    True for floats that are not constants of plain arithmetic and do not become one where a layer
    or an optimizer computes 1 - v, 1 / v or 1 / (1 - v). A wrong guess costs a compilation and does
    not change results.
    """
    if not isinstance(value, float) or value in _ARITHMETIC:
        return False
    return not {1.0 - value, 1.0 / value, 1.0 / (1.0 - value)} & _ARITHMETIC


def _are_equal(arrays: Sequence[np.ndarray]) -> bool:
    first = arrays[0]
    return all(
        a is first or (a.shape, a.tobytes()) == (first.shape, first.tobytes()) for a in arrays
    )


def _bits(constants: np.ndarray) -> np.ndarray:
    """The bits of constants, for exact comparison: 0.0 == -0.0, and NaN != NaN."""
    return constants.view(np.uint64)


@dataclass(frozen=True, eq=False)
class BaseProgram:
    """A program that models with equal keys share.

    Attributes:
        traced: the first of them, whose code is used.
        lifted: the constants that are inputs of the program.
        overrides: finds faster functions for some primitives, or None.
    """

    traced: TracedModel
    lifted: LiftedConstants
    overrides: OverrideLookup | None = None

    @property
    def key(self) -> str:
        """The program's key."""
        return self.traced.key

    def covers(self, traced: TracedModel) -> bool:
        """Whether a model of this key differs from the program's code only in lifted constants."""
        for name, numbers in self.lifted.floats.items():
            differs = _bits(traced.constants(name)) != _bits(self.traced.constants(name))
            differs[list(numbers)] = False
            pairs = zip(traced.arrays(name), self.traced.arrays(name), strict=True)
            lifted = self.lifted.arrays[name]
            if differs.any() or any(
                i not in lifted and not _are_equal(pair) for i, pair in enumerate(pairs)
            ):
                return False
        return True

    def constants(self, traced: TracedModel) -> dict[str, np.ndarray]:
        """A lane's lifted constants: the scalars of each part, float ``(num_lifted,)``, and arrays.

        The keys are names of parts, which `of_part` and `lane_arrays` read.
        """
        dtype = np.float64 if jax.config.jax_enable_x64 else np.float32  # type: ignore[attr-defined]
        found = {
            name: traced.constants(name)[list(numbers)].astype(dtype)
            for name, numbers in self.lifted.floats.items()
        }
        for name, numbers in self.lifted.arrays.items():
            found |= {_ARRAY.format(name, i): self.lane_array(traced, name, i) for i in numbers}
        return found

    def lane_array(self, traced: TracedModel, name: str, number: int) -> np.ndarray:
        """A constant array of a network as it lies in a lane."""
        return traced.arrays(name)[number]

    def of_part(self, name: str, constants: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a lane's `constants` that belong to a part."""
        keys = [name, *(_ARRAY.format(name, i) for i in self.lifted.arrays[name])]
        return {key: constants[key] for key in keys}

    def lane_floats(self, name: str, constants: Mapping[str, Any]) -> dict[int, Any]:
        """The scalars of a part among a lane's `constants`, by number."""
        row = constants[name]
        return {number: row[i] for i, number in enumerate(self.lifted.floats[name])}

    def lane_arrays(self, name: str, constants: Mapping[str, Any]) -> dict[int, Any]:
        """The arrays of a part among a lane's `constants`, by number."""
        return {i: constants[_ARRAY.format(name, i)] for i in self.lifted.arrays[name]}

    def evaluate(
        self, name: str, args: Sequence[Any], constants: Mapping[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """The state and the logs after a part, for one lane.

        Args:
            name: of the part.
            args: the lane's state, and a batch.
            constants: of the lane, see `constants`.
        """
        body = self.traced.parts[name].code.body
        floats, arrays = self.lane_floats(name, constants), self.lane_arrays(name, constants)
        outs = evaluate(body, args, floats, self.overrides, arrays)
        count = self.traced.layout.num_leaves
        return outs[:count], outs[count:]

    def part_digest(self, name: str) -> str:
        """A hash of what is compiled for a part: its equations, and the constants not lifted."""
        code, lifted = self.traced.parts[name].code, self.lifted
        floats, arrays = code.in_body
        floats, numbers = floats.copy(), lifted.floats[name]
        floats[list(numbers)] = 0.0
        arrays = tuple(one for i, one in enumerate(arrays) if i not in lifted.arrays[name])
        values = [floats.tobytes(), *((one.shape, one.tobytes()) for one in arrays)]
        text = repr((code.digest, numbers, lifted.arrays[name], values))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def constant_bytes(self) -> int:
        """Bytes of a lane's `constants`."""
        return sum(one.nbytes for one in self.constants(self.traced).values())

    @property
    def lane_leaves(self) -> Sequence[np.ndarray]:
        """Arrays of the shapes and types of a lane's state."""
        return self.traced.state

    def lane_state(self, traced: TracedModel) -> Sequence[np.ndarray]:
        """A network's state as it lies in a lane."""
        return traced.state

    def own_state(self, traced: TracedModel, leaves: Sequence[np.ndarray]) -> list[np.ndarray]:  # noqa: ARG002 - for merged programs
        """The network's state of that of its lane, or of the first leaves of it."""
        return list(leaves)

    def peak_bytes(self, name: str) -> int:
        """Bytes of intermediate values of a part, see `paceline.train.cost_estimate`."""
        return peak_bytes(self.traced.parts[name].code.body)

    def num_values(self, name: str) -> int:
        """Values computed in a part, see `paceline.train.cost_estimate`."""
        return num_values(self.traced.parts[name].code.body)

    def share_code(self, traced: TracedModel) -> TracedModel:
        """The model with this program's code in place of its own, which is then freed.

        A jaxpr takes some 130 KiB, more than a small network, and hundreds of models may be waiting
        or paused. A model that the program does not cover is returned unchanged.
        """
        return traced.with_code_of(self.traced) if self.covers(traced) else traced


@dataclass(frozen=True, eq=False)
class CompiledProgram:
    """A program compiled for a number of lanes.

    Attributes:
        program: the program.
        num_lanes: number of lanes.
        seconds: wall time of the compilation.
        from_scratch: XLA compilations that were not read from a cache.
    """

    program: BaseProgram
    num_lanes: int
    seconds: float
    from_scratch: int


C_co = TypeVar("C_co", covariant=True)


class Compilable(Protocol[C_co]):
    """A program that can be compiled for a number of lanes."""

    def compile(self, num_lanes: int, mesh: Mesh | None) -> C_co:
        """Compiles the program.

        Args:
            num_lanes: number of lanes.
            mesh: devices over which lanes are distributed, or None for one.
        """
