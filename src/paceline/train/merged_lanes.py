"""The lanes of a program for networks of several sizes, see `paceline.train.merging`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import jax
import numpy as np

from paceline.train.constant_lifting import lift_constants
from paceline.train.internals import ClosedJaxpr
from paceline.train.lifted_evaluation import OverrideLookup
from paceline.train.merging.cost import num_values, peak_bytes
from paceline.train.merging.evaluation import Constants, evaluate_padded
from paceline.train.merging.layout import Layout
from paceline.train.merging.rule import Axes
from paceline.train.merging.structure import Sizes, Structure
from paceline.train.program import BaseProgram, LiftedConstants, Numbers, joined, lifted_constants
from paceline.train.traced_model import END, TracedModel

_SIZES = "sizes"  # the lane's sizes, among its constants
_INTEGERS = "integers of {}"


@dataclass(frozen=True, eq=False, kw_only=True)
class MergedLanes(BaseProgram):
    """The common part of programs whose lanes have sizes of their own.

    Attributes:
        structure: of its networks.
        largest: the sizes of the program.
        ragged: the places in ``largest`` where networks may be smaller.
        integers: for each part, the numbers of the scalar integers that are inputs.
    """

    structure: Structure
    largest: Sizes
    ragged: tuple[int, ...]
    integers: Numbers

    @classmethod
    def of(
        cls,
        structure: Structure,
        largest: Sizes,
        ragged: Sequence[int],
        networks: Sequence[TracedModel],
        overrides: OverrideLookup | None = None,
        known: "MergedLanes | None" = None,
    ) -> Self:
        """Creates a program.

        Args:
            structure: of the networks.
            largest: the sizes of the program.
            ragged: the places in ``largest`` where networks may be smaller.
            networks: some of the networks, which show what differs.
            overrides: finds faster functions for some primitives.
            known: the program so far, whose inputs are kept.
        """
        networks = [structure.traced, *networks]
        lifted = lifted_constants(networks).joined(_ragged_arrays(structure, ragged))
        integers = _lifted_integers(structure, ragged, networks)
        if known is not None:
            lifted = lifted.joined(known.lifted)
            integers = joined(integers, known.integers)
        return cls(
            structure.traced,
            lifted,
            overrides,
            structure=structure,
            largest=largest,
            ragged=tuple(ragged),
            integers=integers,
        )

    @cached_property
    def key(self) -> str:
        """The program's key."""
        return program_key(self.structure.traced.structure_key, self.largest, self.ragged)

    def covers(self, traced: TracedModel) -> bool:
        """Whether a network of the structure differs only in what is an input of the program."""
        if not super().covers(traced):
            return False
        for name, numbers in self.integers.items():
            differs = traced.integers(name) != self.traced.integers(name)
            differs[list(numbers)] = False
            if differs.any():
                return False
        return True

    def constants(self, traced: TracedModel) -> dict[str, np.ndarray]:
        """A lane's lifted constants, arrays padded, and integers for each part; its sizes."""
        own = self.structure.sizes(traced.shapes)
        integers = {
            _INTEGERS.format(name): traced.integers(name)[list(numbers)].astype(np.int32)
            for name, numbers in self.integers.items()
        }
        return {**super().constants(traced), **integers, _SIZES: np.array(own, np.int32)}

    def lane_array(self, traced: TracedModel, name: str, number: int) -> np.ndarray:
        """A constant array of a network as it lies in a lane: padded with zeros."""
        array = traced.arrays(name)[number]
        axes = self._array_axes[name].get(number)
        if axes is None:  # the step does not need it
            return np.zeros((), array.dtype)
        return self._layout(traced).pad(axes, array)

    @cached_property
    def _array_axes(self) -> dict[str, dict[int, Axes]]:
        """The axes of the constant arrays that steps need, by number."""
        return {
            name: {
                array.number: related.axes[array.value]
                for array in related.step.arrays
                if array.number is not None
            }
            for name, related in self.structure.steps.items()
        }

    @cached_property
    def lane_leaves(self) -> Sequence[np.ndarray]:
        """Arrays of the shapes and types of a lane's state."""
        shapes = [self._largest.shape(axes) for axes in self.structure.leaves]
        states = zip(shapes, self.traced.state, strict=True)
        # without memory of their own
        return [np.broadcast_to(np.zeros((), leaf.dtype), shape) for shape, leaf in states]

    @cached_property
    def _largest(self) -> Layout:
        return self.structure.layout(self.largest, self.largest, self.ragged)

    def _layout(self, traced: TracedModel) -> Layout:
        own = self.structure.sizes(traced.shapes)
        return self.structure.layout(self.largest, own, self.ragged)

    def lane_state(self, traced: TracedModel) -> Sequence[np.ndarray]:
        """A network's state as it lies in a lane: padded with zeros."""
        layout, leaves = self._layout(traced), self.structure.leaves
        return [layout.pad(axes, leaf) for axes, leaf in zip(leaves, traced.state, strict=True)]

    def own_state(self, traced: TracedModel, leaves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The network's state of that of its lane, in its own shapes."""
        layout = self._layout(traced)
        axes = self.structure.leaves[: len(leaves)]
        return [layout.cut(own, leaf) for own, leaf in zip(axes, leaves, strict=True)]

    def traced_step(self, name: str) -> ClosedJaxpr:
        """A part of a lane, traced: of its state, its constants and a batch."""
        if name not in self._traced_steps:
            self._traced_steps[name] = self._trace(name)
        return self._traced_steps[name]

    @cached_property
    def _traced_steps(self) -> dict[str, ClosedJaxpr]:
        return {}

    def _trace(self, name: str) -> ClosedJaxpr:
        constants = self.constants(self.traced)
        batch = [] if name == END else jax.tree.leaves(self.traced.feed.batch_spec(name))
        count = len(self.lane_leaves)

        def step(*args: Any) -> list[Any]:
            state, own, rows = args[:count], args[count], args[count + 1 :]
            leaves, logs = self.evaluate(name, [*state, *rows], own)
            return [*leaves, *logs]

        specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in self.lane_leaves]
        return jax.make_jaxpr(step)(*specs, constants, *batch)

    def part_digest(self, name: str) -> str:
        """A hash of what is compiled for a part, in the sizes of the program.

        The steps of the first network have its own sizes, so the part is traced for a lane.
        """
        code = lift_constants(self._trace(name))
        structure = self.traced.parts[name].code.structure
        text = f"{structure} {code.digest} {code.constants.tobytes().hex()} {code.arrays_hash}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def peak_bytes(self, name: str) -> int:
        """Bytes of intermediate values of a part, in the sizes of the program."""
        return peak_bytes(self.structure.steps[name], self._largest)

    def num_values(self, name: str) -> int:
        """Values computed in a part, in the sizes of the program."""
        return num_values(self.structure.steps[name], self._largest)

    def of_part(self, name: str, constants: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a lane's `constants` that belong to a part."""
        own = {key: constants[key] for key in (_INTEGERS.format(name), _SIZES)}
        return {**super().of_part(name, constants), **own}

    def evaluate(
        self, name: str, args: Sequence[Any], constants: Mapping[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """The state and the logs after a part, for one lane, in the sizes of the program."""
        layout = self.structure.layout(self.largest, constants[_SIZES], self.ragged)
        integers = constants[_INTEGERS.format(name)]
        own = Constants(
            self.lane_floats(name, constants),
            {number: integers[i] for i, number in enumerate(self.integers[name])},
            self.lane_arrays(name, constants),
        )
        outs = evaluate_padded(self.structure.steps[name], layout, args, own, self.overrides)
        count = self.traced.layout.num_leaves
        return outs[:count], outs[count:]


def program_key(structure_key: str, largest: Sizes, ragged: Sequence[int]) -> str:
    """The key of a merged program."""
    text = f"{structure_key} {largest} {tuple(ragged)}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _lifted_integers(
    structure: Structure, ragged: Sequence[int], networks: Sequence[TracedModel]
) -> Numbers:
    """The integers that differ, or might: those that equal a size."""
    first = structure.traced
    sizes = {structure.own_sizes[i] for i in ragged} - {0, 1, 2}
    lifted = {}
    for name in first.parts:
        table = np.stack([network.integers(name) for network in networks])
        differs = (table != table[0]).any(axis=0) | np.isin(table[0], list(sizes))
        lifted[name] = tuple(int(i) for i in np.flatnonzero(differs))
    return lifted


def _ragged_arrays(structure: Structure, ragged: Sequence[int]) -> LiftedConstants:
    """The arrays whose shapes differ between networks."""
    free = {structure.free_axes[i] for i in ragged}
    arrays = {
        name: tuple(
            array.number
            for array in related.step.arrays
            if array.number is not None
            and not free.isdisjoint(
                own for axis in related.axes[array.value] for own in structure.table.own_axes(axis)
            )
        )
        for name, related in structure.steps.items()
    }
    return LiftedConstants(dict.fromkeys(arrays, ()), arrays)
