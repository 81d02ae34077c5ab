"""A program for a stream: a step is compiled for each batch shape and runs once per batch."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from paceline.train.compilation_count import count_compilations
from paceline.train.internals import keras_lock
from paceline.train.lifted_evaluation import OverrideLookup
from paceline.train.program import BaseProgram, CompiledProgram, lifted_constants
from paceline.train.sharding import replicated, shard_lanes, stacked_spec
from paceline.train.stream_feed import StreamFeed
from paceline.train.traced_model import END, CannotTrace, TracedModel


@dataclass(frozen=True, eq=False)
class StreamProgram(BaseProgram):
    """A program whose lanes train on the batches of a stream; it has the parts traced so far."""

    @property
    def feed(self) -> StreamFeed:
        """The batches for training and validation.

        Raises:
            TypeError: it was traced for arrays.
        """
        if not isinstance(self.traced.feed, StreamFeed):
            raise TypeError("a program for streams needs a model that was traced for a stream")
        return self.traced.feed

    @classmethod
    def covering(
        cls,
        traced: Sequence[TracedModel],
        overrides: OverrideLookup | None,
        known: "StreamProgram | None" = None,
    ) -> "StreamProgram":
        """The program of models with the same key; ``known`` if that covers them."""
        if known is not None and all(known.covers(model) for model in traced):
            return known
        models = traced if known is None else [known.traced, *traced]
        return cls(models[0], lifted_constants(models), overrides)

    def later(
        self, name: str, traced: Sequence[TracedModel], known: "StreamProgram | None"
    ) -> "StreamProgram":
        """The program of a part that first occurred now, and only of that.

        Args:
            name: of the part.
            traced: models that train in this program, traced for the part.
            known: the program for the part so far.

        Raises:
            CannotTrace: for this batch shape the models have different programs.
        """
        models = [model.only(name) for model in traced]
        others = [known.traced] if known else []
        if len({model.parts[name].code.digest for model in [*models, *others]}) != 1:
            raise self.differing(name)
        return StreamProgram.covering(models, self.overrides, known)

    def differing(self, name: str) -> CannotTrace:
        """An error: models have different programs for a part."""
        shape = self.feed.batch_spec(name)
        return CannotTrace(
            f"for batches of the shape {shape} the models that train together need different "
            "compiled programs"
        )

    def step(self, name: str) -> Callable[..., Any]:
        """The function of a part that is compiled.

        It takes state leaves and the constants of the part, each ``(num_lanes, ...)``, and the
        leaves of a batch, and returns the new state leaves and the logs, each ``(num_lanes,)``.
        """

        def step(lanes: list[Any], constants: Any, batch: list[Any]) -> tuple[list[Any], list[Any]]:
            def of_lane(state: list[Any], own: Any) -> tuple[list[Any], list[Any]]:
                return self.evaluate(name, [*state, *batch], own)

            return jax.vmap(of_lane)(lanes, constants)

        return step

    def end(self, lanes: list[Any], constants: Any) -> list[Any]:
        """The leaves that the end of training changes, each ``(num_lanes, ...)``; see `step`."""
        changed = sorted(self.traced.parts[END].changed_leaves(self.traced.layout))

        def of_lane(state: list[Any], own: Any) -> list[Any]:
            outs, _ = self.evaluate(END, state, own)
            # copies: an output that is also an input would share its memory, which is reused by
            # the next step
            return [jnp.copy(outs[i]) for i in changed]

        return jax.vmap(of_lane)(lanes, constants)

    def compile(self, num_lanes: int, mesh: Mesh | None) -> "CompiledStreamProgram":
        """Compiles the steps of all parts for a number of lanes, distributed over a mesh."""
        started = time.perf_counter()
        lanes = [stacked_spec(leaf, num_lanes, mesh) for leaf in self.lane_leaves]
        steps = {}
        with count_compilations() as count:
            rows = self.constants(self.traced)
            for name in self.traced.parts:
                own = self.of_part(name, rows).items()
                constants = {key: stacked_spec(row, num_lanes, mesh) for key, row in own}
                if name == END:
                    end = jax.jit(shard_lanes(self.end, mesh, (True, True)))
                    steps[name] = end.lower(lanes, constants).compile()
                    continue
                batch = [
                    jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated(mesh))
                    for leaf in jax.tree.leaves(self.feed.batch_spec(name))
                ]
                step = shard_lanes(self.step(name), mesh, (True, True, False))
                lowered = jax.jit(step, donate_argnums=0).lower(lanes, constants, batch)
                steps[name] = lowered.compile()
        seconds = time.perf_counter() - started
        from_scratch = count.compilations - count.hits
        return CompiledStreamProgram(self, num_lanes, seconds, from_scratch, mesh, steps)


@dataclass(frozen=True, eq=False)
class CompiledStreamProgram(CompiledProgram):
    """A `StreamProgram` compiled for a number of lanes.

    Attributes:
        mesh: the devices over which lanes are distributed, or None for one.
        steps: the compiled `StreamProgram.step` of each part, and `StreamProgram.end` if there is
            one.
        later: the programs of parts whose batch shape first occurred during an epoch, by name.
    """

    program: StreamProgram
    mesh: Mesh | None
    steps: Mapping[str, Callable[..., Any]]
    later: "dict[str, CompiledStreamProgram]" = field(default_factory=dict)

    def extend(
        self, name: str, traced: Sequence[TracedModel]
    ) -> "tuple[CompiledStreamProgram, list[TracedModel]]":
        """Compiles a part that first occurred now; returns it and the models traced for it.

        Raises:
            CannotTrace: for this batch shape the models have different programs.
        """
        known = self.later.get(name)
        with keras_lock:
            models = [model.traced_for(name) for model in traced]
        program = self.program.later(name, models, known.program if known else None)
        if known is None or program is not known.program:
            self.later[name] = known = program.compile(self.num_lanes, self.mesh)
        return known, models
