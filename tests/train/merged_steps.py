"""A function of arrays as the step of a network, evaluated in the sizes of a merged program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paceline.train.constant_lifting import lift_constants
from paceline.train.merged_program import MergedProgram
from paceline.train.merging.structure import CannotMerge, Structure
from paceline.train.traced_model import StateLayout, TracedModel, TracedStep

Sizes = Mapping[str, int]
Shape = Sequence[int | str]


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        function: of the arrays; returns a list of arrays.
        shapes: of its arrays; names stand for sizes.
        run: how functions are called: compiled, or one operation after the other.
    """

    function: Callable[..., list[Any]]
    shapes: Sequence[Shape]
    run: Callable[..., Any] = jax.jit

    def arrays(self, sizes: Sizes, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        known = [[d if isinstance(d, int) else sizes[d] for d in shape] for shape in self.shapes]
        return [rng.normal(size=shape).astype("float32") for shape in known]

    def traced(self, sizes: Sizes, arrays: Sequence[np.ndarray] | None = None) -> TracedModel:
        """As the step of a model, whose weights are the arrays and then the results."""
        given = list(self.arrays(sizes) if arrays is None else arrays)
        results = jax.eval_shape(lambda *a: self.function(*a), *given)
        state = [*given, *(np.zeros(one.shape, one.dtype) for one in results)]

        def step(*leaves: Any) -> list[Any]:
            own = leaves[: len(given)]
            return [*own, *self.function(*own)]

        code = lift_constants(jax.make_jaxpr(step)(*state))
        layout = StateLayout(len(state), 0, 0, 0)
        parts = {"train": TracedStep(code, ())}
        return TracedModel(code.digest, parts, layout, tuple(state), None, "", code.structure)  # type: ignore[arg-type]

    def merged(
        self,
        first: Sizes,
        second: Sizes,
        more: int = 2,
        arrays: Sequence[np.ndarray] | None = None,
    ) -> "Merged":
        """Evaluates the step of ``second`` in a program that was traced with ``first``.

        Args:
            first, second: sizes.
            more: by how much the sizes of the program exceed those of both.
            arrays: of ``second``.

        Raises:
            CannotMerge: they do not share a program.
        """
        networks = [self.traced(first), self.traced(second, arrays)]
        structure = Structure.of(networks[0])
        if networks[0].structure_key != networks[1].structure_key:
            raise CannotMerge("other equations")
        sizes = [structure.sizes([leaf.shape for leaf in one.state]) for one in networks]
        ragged = [i for i, own in enumerate(zip(*sizes, strict=True)) if len(set(own)) > 1]
        structure.check_differing(ragged)
        structure.check(networks[1])
        pairs = enumerate(zip(*sizes, strict=True))
        largest = tuple(max(own) + (more if i in ragged else 0) for i, own in pairs)
        program = MergedProgram.of(structure, largest, ragged, networks)
        constants = program.constants(networks[1])
        run = self.run(lambda state: program.evaluate("train", state, constants)[0])
        padded = run(list(program.lane_state(networks[1])))
        own = program.own_state(networks[1], [np.asarray(leaf) for leaf in padded])
        given = [jnp.asarray(leaf) for leaf in networks[1].state[: len(self.shapes)]]
        expected = [np.asarray(one) for one in self.run(lambda own: self.function(*own))(given)]
        results = own[len(given) :]
        again = program.lane_state(TracedModel("", {}, networks[1].layout, tuple(own), None))  # type: ignore[arg-type]
        pairs_of_leaves = zip(again, padded, strict=True)
        is_clean = all(np.array_equal(a, b, equal_nan=True) for a, b in pairs_of_leaves)
        return Merged(expected, results, is_clean, len(ragged))


@dataclass(frozen=True)
class Merged:
    """Results.

    Attributes:
        expected: of the function.
        found: of the merged program.
        is_clean: whether all padding is zero.
        num_ragged: number of sizes that differ.
    """

    expected: list[np.ndarray]
    found: list[np.ndarray]
    is_clean: bool
    num_ragged: int

    def check(self, tolerance: float = 2e-5) -> None:
        """Checks that both are the same."""
        assert self.is_clean
        assert self.num_ragged
        for one, other in zip(self.expected, self.found, strict=True):
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
