"""A program for a stream: its step compiled for each batch shape, dispatched once a batch for all
lanes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from paceline.train.anatomy import Replacement, run
from paceline.train.compiler import counting, spec, spread
from paceline.train.internals import one_at_a_time
from paceline.train.program import Lifted, constants_of, differs_in_lifted_only, lifted_constants
from paceline.train.stream import StreamFeed
from paceline.train.trace import END, CannotTrace, Traced


def everywhere(mesh: Mesh | None) -> NamedSharding | None:
    """How batches, which all lanes see, lie on the devices."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec())


@dataclass(frozen=True, eq=False)
class StreamProgram:
    """What models with one key share, see `Program`; ``lifted`` has the parts for which there is
    code.
    """

    traced: Traced
    feed: StreamFeed
    lifted: Lifted
    replacement: Replacement | None = None

    @classmethod
    def of(
        cls,
        traced: Sequence[Traced],
        feed: StreamFeed,
        replacement: Replacement | None,
        known: "StreamProgram | None" = None,
    ) -> "StreamProgram":
        """The program of some models of one key: the one that is ``known`` where it covers them,
        else one that does.
        """
        if known is not None and all(known.covers(one) for one in traced):
            return known
        every = traced if known is None else [known.traced, *traced]
        return cls(every[0], feed, lifted_constants(every), replacement)

    @property
    def key(self) -> str:
        """The program's identity."""
        return self.traced.key

    def covers(self, traced: Traced) -> bool:
        """Whether a model of the same key differs from this program's code in lifted constants
        only.
        """
        return differs_in_lifted_only(self.lifted, self.traced, traced)

    def constants(self, traced: Traced) -> dict[str, np.ndarray]:
        """A lane's row of constants for each part, float ``(num_lifted,)``."""
        return constants_of(self.lifted, traced)

    def step(self, name: str) -> Callable[..., Any]:
        """The function of one part that is compiled: lanes, their constants and one batch for all
        of them.

        It takes state leaves, each ``(num_lanes, ...)``, constants ``(num_lanes, num_lifted)`` and
        the leaves of a batch, and gives the new state leaves and the logs, each ``(num_lanes,)``.
        """
        body, numbers = self.traced.parts[name].anatomy.body, self.lifted[name]
        count = self.traced.layout.num_leaves

        def step(lanes: list[Any], constants: Any, batch: list[Any]) -> tuple[list[Any], list[Any]]:
            def one(state: list[Any], row: Any) -> tuple[list[Any], list[Any]]:
                lifted = {number: row[i] for i, number in enumerate(numbers)}
                outs = run(body, [*state, *batch], lifted, self.replacement)
                return outs[:count], outs[count:]

            return jax.vmap(one)(lanes, constants)

        return step

    def end(self, lanes: list[Any], constants: Any) -> list[Any]:
        """What the end of training makes of the leaves that it changes, each ``(num_lanes, ...)``;
        see `step`.
        """
        body, numbers = self.traced.parts[END].anatomy.body, self.lifted[END]
        changed = sorted(self.traced.parts[END].changes(self.traced.layout))

        def one(state: list[Any], row: Any) -> list[Any]:
            outs = run(
                body, state, {number: row[i] for i, number in enumerate(numbers)}, self.replacement
            )
            # copies: what is an input as well would share its memory with it, which the next step
            # uses again
            return [jnp.copy(outs[i]) for i in changed]

        return jax.vmap(one)(lanes, constants)

    def compile(self, num_lanes: int, mesh: Mesh | None) -> "StreamCompiled":
        """Compiles the step of every part."""
        started = time.perf_counter()
        lanes = [spec(leaf, num_lanes, mesh) for leaf in self.traced.state]
        steps = {}
        with counting() as counted:
            for name, row in self.constants(self.traced).items():
                if name == END:
                    end = jax.jit(spread(self.end, mesh, (True, True)))
                    steps[name] = end.lower(lanes, spec(row, num_lanes, mesh)).compile()
                    continue
                leaves = jax.tree.leaves(self.feed.batch_spec(name))
                batch = [
                    jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere(mesh))
                    for leaf in leaves
                ]
                step = jax.jit(spread(self.step(name), mesh, (True, True, False)), donate_argnums=0)
                steps[name] = step.lower(lanes, spec(row, num_lanes, mesh), batch).compile()
        seconds = time.perf_counter() - started
        return StreamCompiled(
            self, num_lanes, mesh, steps, seconds, counted.compilations - counted.hits
        )


@dataclass(frozen=True, eq=False)
class StreamCompiled:
    """A stream's program compiled for a number of lanes.

    Attributes:
        program: what was compiled.
        num_lanes: number of lanes.
        mesh: the devices that they are spread over, or None for one.
        steps: the compiled `StreamProgram.step` of each part, and `StreamProgram.end` where there
            is an end.
        seconds: what compiling took.
        from_scratch: number of XLA compilations that no cache answered.
        later: the same for each part whose shape was met in the middle of an epoch, added as they
            come.
    """

    program: StreamProgram
    num_lanes: int
    mesh: Mesh | None
    steps: Mapping[str, Callable[..., Any]]
    seconds: float
    from_scratch: int
    later: "dict[str, StreamCompiled]" = field(default_factory=dict)

    def extended(
        self, name: str, traced: Sequence[Traced]
    ) -> "tuple[StreamCompiled, list[Traced]]":
        """The program of these models for a part that came late, and the models as traced for it.

        Raises:
            CannotTrace: on such batches they are more than one program.
        """
        known = self.later.get(name)
        with one_at_a_time:
            late = [one.on(name) for one in traced]
        digests = {
            one.parts[name].anatomy.digest
            for one in [*late, *([known.program.traced] if known else [])]
        }
        if len(digests) != 1:
            raise CannotTrace(
                f"on batches of the shape {self.program.feed.batch_spec(name)} its cohort falls "
                f"apart"
            )
        program = StreamProgram.of(
            late, self.program.feed, self.program.replacement, known.program if known else None
        )
        if known is None or program is not known.program:
            self.later[name] = known = program.compile(self.num_lanes, self.mesh)
        return known, late
