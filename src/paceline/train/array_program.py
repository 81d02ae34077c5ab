"""A program for arrays on the device: a whole epoch is compiled for a number of lanes."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh

from paceline.train.array_feed import ArrayFeed, PooledData
from paceline.train.compilation_count import count_compilations
from paceline.train.compile_level import compile_options
from paceline.train.cost_estimate import has_low_precision, num_equations
from paceline.train.internals import compile_with
from paceline.train.jax_cache import recorded_keys
from paceline.train.kept_executables import CacheEntry, KeptExecutables, types_of
from paceline.train.program import BaseProgram, CompiledProgram
from paceline.train.program_digest import program_digest
from paceline.train.sharding import lane_sharding, shard_lanes, stacked_spec
from paceline.train.traced_model import END

_LOG = logging.getLogger("paceline.train")

# Networks that a program is expected to train, however many lanes it has. Not their actual number:
# with that, another study would compile the program again at another level.
_EXPECTED = 4


@dataclass(frozen=True, eq=False)
class ArrayProgram(BaseProgram):
    """A program whose lanes train on arrays.

    Attributes:
        epochs: epochs for which a network trains; None if that is not known. It decides how much
            the program is optimised, see `paceline.train.compile_level`.
    """

    epochs: int | None = field(default=None, kw_only=True)

    @property
    def feed(self) -> ArrayFeed:
        """The batches for training and validation.

        Raises:
            TypeError: it was traced for a stream.
        """
        if not isinstance(self.traced.feed, ArrayFeed):
            raise TypeError("a program for arrays needs a model that was traced for arrays")
        return self.traced.feed

    # The two functions that are compiled. Arrays named `lanes` have the lane axis first.

    def train(
        self,
        lanes: list[Any],
        constants: dict[str, Any],
        data: list[Any],
        order: Any,
        start: Any,
        stop: Any,
    ) -> tuple[list[Any], list[Any]]:
        """Trains all lanes on their full batches ``start`` to ``stop`` of an epoch.

        Args:
            lanes: state leaves, each ``(num_lanes, ...)``.
            constants: of each lane, see `constants`; ``(num_lanes, ...)``.
            data: training leaves, each ``(rows, ...)``, shared.
            order: row numbers int32 ``(num_lanes, rows)``.
            start: first batch, int32.
            stop: one past the last batch, int32.

        Returns:
            The new lanes, and the logs of the last step, each ``(num_lanes,)``.
        """
        size = self.feed.sizes["train"]

        def body(i: Any, carry: tuple[list[Any], list[Any]]) -> tuple[list[Any], list[Any]]:
            rows = lax.dynamic_slice_in_dim(order, i * size, size, axis=1)
            return self._step("train", carry[0], constants, data, rows)

        logs = self._zero_logs("train", order.shape[0])
        result: tuple[list[Any], list[Any]] = lax.fori_loop(start, stop, body, (lanes, logs))
        return result

    def finish(
        self,
        lanes: list[Any],
        constants: dict[str, Any],
        data: tuple[list[Any], list[Any]],
        order: Any,
        held_out: Any,
        logs: list[Any],
        fresh: list[Any],
    ) -> tuple[list[Any], dict[str, Any]]:
        """Ends an epoch: trains on the smaller last batch, validates and resets metrics.

        Args:
            lanes, constants, order: as in `train`.
            data: training and validation leaves, each ``(rows, ...)``, shared.
            held_out: validation rows of each lane, int32 ``(num_lanes, rows)``; None if all lanes
                validate with all rows.
            logs: of the last full batch.
            fresh: initial metrics of each lane, each ``(num_lanes, ...)``.

        Returns:
            The new lanes, and all logs of the epoch by name, each ``(num_lanes,)``.
        """
        train, validation = data
        if "train_rest" in self.feed.sizes:
            rest = order[:, self.feed.num_steps * self.feed.sizes["train"] :]
            lanes, logs = self._step("train_rest", lanes, constants, train, rest)
        names = self.traced.parts["train"].log_names
        result = dict(zip(names, logs, strict=True))
        count = self.traced.layout.num_kept
        lanes = [*lanes[:count], *fresh]
        if "test" in self.feed.sizes:
            ended, logs = self._validate(
                self._with_end(lanes, constants), constants, validation, held_out
            )
            names = self.traced.parts["test"].log_names
            result |= {f"val_{name}": log for name, log in zip(names, logs, strict=True)}
            lanes = [*self.traced.undo_end(lanes, ended)[:count], *fresh]
        return lanes, result

    def compile(self, num_lanes: int, mesh: Mesh | None) -> "CompiledArrayProgram":
        """Compiles `train` and `finish` for a number of lanes, distributed over a mesh.

        What was compiled for the same on one device is read from the disk.
        """
        started = time.perf_counter()
        options = self._options(num_lanes)
        kept = None if mesh is not None else self._kept(num_lanes, options)
        functions, from_scratch = None if kept is None else kept.read(self._outputs), 0
        if functions is None:
            compiled = self._compile(num_lanes, mesh, options)
            functions = [one.function for one in compiled]
            from_scratch = sum(one.from_scratch for one in compiled)
            entries = [one.entry for one in compiled]
            if kept is not None and all(one.name for one in entries):
                kept.write(entries)
        seconds = time.perf_counter() - started
        return CompiledArrayProgram(self, num_lanes, seconds, from_scratch, *functions)

    def _options(self, num_lanes: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The options of XLA for `train` and for `finish`."""
        feed = self.feed
        num_tests = feed.num_validation // feed.sizes.get("test", 1)
        return (
            self.compile_options({"train": feed.num_steps}, num_lanes),
            self.compile_options({"train_rest": 1, "test": num_tests, "test_rest": 1}, num_lanes),
        )

    def _kept(self, num_lanes: int, options: object) -> KeptExecutables | None:
        """What the disk has of this program; None if it is not kept there."""
        try:
            key = program_digest(self, num_lanes, options)
        except Exception:  # optional: the program can be compiled without
            _LOG.warning("a program has no key for the disk", exc_info=True)
            return None
        return KeptExecutables.of(key) if key else None

    @property
    def _outputs(self) -> tuple[Any, Any]:
        """Trees of the structure of what `train` and `finish` return."""
        leaves, parts = [0] * self.traced.layout.num_leaves, self.traced.parts
        return (leaves, [0] * len(parts["train"].log_names)), (
            leaves,
            dict.fromkeys(self.traced.log_names, 0),
        )

    def _compile(
        self, num_lanes: int, mesh: Mesh | None, options: Sequence[Mapping[str, Any]]
    ) -> "tuple[_Compiled, _Compiled]":
        """Lowers and compiles both functions, at the same time.

        So training waits for the longer one only: XLA compiles most of a function in one thread.
        """
        lanes = [stacked_spec(leaf, num_lanes, mesh) for leaf in self.lane_leaves]
        rows = self.constants(self.traced).items()
        constants = {name: stacked_spec(row, num_lanes, mesh) for name, row in rows}
        feed = self.feed
        data = feed.data
        order = _row_spec(num_lanes, feed.num_train, mesh)
        is_pooled = isinstance(data, PooledData)
        held_out = _row_spec(num_lanes, feed.num_validation, mesh) if is_pooled else None
        index = jax.ShapeDtypeStruct((), jnp.int32)
        logs = [stacked_spec(aval, num_lanes, mesh) for aval in self._log_avals("train")]
        with ThreadPoolExecutor(1, "paceline-compile") as other:
            has_lanes: tuple[bool, ...] = (True, True, False, True, False, False)
            train = _jit(shard_lanes(self.train, mesh, has_lanes))
            lowered = train.lower(lanes, constants, data.leaves[0], order, index, index)
            pending = other.submit(_compiled, lowered, options[0])
            has_lanes = (True, True, False, True, True, True, True)
            finish = _jit(shard_lanes(self.finish, mesh, has_lanes))
            fresh = lanes[self.traced.layout.num_kept :]
            lowered = finish.lower(lanes, constants, data.leaves, order, held_out, logs, fresh)
            second = _compiled(lowered, options[1])
            return pending.result(), second

    def compile_options(self, times: Mapping[str, int], num_lanes: int) -> Mapping[str, Any]:
        """The options of XLA for a function that runs each part so many times in an epoch."""
        times = {name: count for name, count in times.items() if name in self.traced.parts}
        bodies = [self.traced.parts[name].code.body for name in times]
        # with low precision, other optimisations would give other results than ``fit``
        if self.epochs is None or any(map(has_low_precision, bodies)):
            return {}
        equations = sum(map(num_equations, bodies))
        epochs = self.epochs * max(num_lanes, _EXPECTED) / num_lanes
        values = sum(self.num_values(name) * count for name, count in times.items())
        runs = epochs * sum(times.values())
        return compile_options(equations, runs, epochs * values * num_lanes)

    def _with_end(self, lanes: list[Any], constants: Any) -> list[Any]:
        """The lanes as they would be if training ended now."""
        if END not in self.traced.parts:
            return lanes
        return jax.vmap(lambda state, own: self.evaluate(END, state, own)[0])(lanes, constants)

    def _step(
        self, name: str, lanes: list[Any], constants: Any, data: list[Any], rows: Any
    ) -> tuple[list[Any], list[Any]]:
        def of_lane(state: list[Any], own: Any, index: Any) -> tuple[list[Any], list[Any]]:
            return self.evaluate(name, [*state, *(leaf[index] for leaf in data)], own)

        return jax.vmap(of_lane)(lanes, constants, rows)

    def _validate(
        self, lanes: list[Any], constants: dict[str, Any], data: list[Any], held_out: Any
    ) -> tuple[list[Any], list[Any]]:
        """Evaluates each lane on its validation rows, in batches; returns lanes and metrics."""
        size, rows = self.feed.sizes["test"], self.feed.num_validation

        def step(
            name: str, lanes: list[Any], start: Any, count: int
        ) -> tuple[list[Any], list[Any]]:
            if held_out is not None:
                own = lax.dynamic_slice_in_dim(held_out, start, count, axis=1)
                return self._step(name, lanes, constants, data, own)
            batch = [lax.dynamic_slice_in_dim(leaf, start, count) for leaf in data]
            return jax.vmap(lambda state, own: self.evaluate(name, [*state, *batch], own))(
                lanes, constants
            )

        logs = self._zero_logs("test", lanes[0].shape[0])
        lanes, logs = lax.fori_loop(
            0, rows // size, lambda i, c: step("test", c[0], i * size, size), (lanes, logs)
        )
        if "test_rest" in self.feed.sizes:
            lanes, logs = step("test_rest", lanes, rows - rows % size, rows % size)
        return lanes, logs

    def _zero_logs(self, name: str, num_lanes: int) -> list[Any]:
        """Initial logs of a loop, each ``(num_lanes, ...)``."""
        avals = self._log_avals(name)
        return [jnp.zeros((num_lanes, *aval.shape), aval.dtype) for aval in avals]

    def _log_avals(self, name: str) -> list[Any]:
        """The types of the logs of a part, of one lane."""
        outputs = self.traced.parts[name].code.body.jaxpr.outvars[self.traced.layout.num_leaves :]
        return [output.aval for output in outputs]


def _jit(function: Callable[..., Any]) -> Any:
    """To be compiled, with the memory of the lanes used again; all arguments are passed to it."""
    return jax.jit(function, donate_argnums=0, keep_unused=True)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A compiled function.

    Attributes:
        function: the function.
        from_scratch: how many were not in the cache on disk: 1 or 0.
        entry: what it is there; without a name if it is not there.
    """

    function: jax.stages.Compiled
    from_scratch: int
    entry: CacheEntry


def _compiled(lowered: jax.stages.Lowered, options: Mapping[str, Any]) -> _Compiled:
    with count_compilations() as count, recorded_keys() as keys:
        compiled = compile_with(lowered, options)
    entry = CacheEntry(keys[-1] if keys else "", types_of(compiled.args_info))
    return _Compiled(compiled, count.compilations - count.hits, entry)


def _row_spec(num_lanes: int, count: int, mesh: Mesh | None) -> jax.ShapeDtypeStruct:
    """Row numbers of each lane, int32 ``(num_lanes, count)``."""
    return jax.ShapeDtypeStruct((num_lanes, count), jnp.int32, sharding=lane_sharding(mesh))


@dataclass(frozen=True, eq=False)
class CompiledArrayProgram(CompiledProgram):
    """An `ArrayProgram` compiled for a number of lanes.

    Attributes:
        train: compiled `ArrayProgram.train`.
        finish: compiled `ArrayProgram.finish`.
    """

    program: ArrayProgram
    train: Callable[..., Any]
    finish: Callable[..., Any]
