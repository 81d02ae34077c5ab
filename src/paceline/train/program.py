"""A program: one traced step with its numbers taken out, compiled for a number of lanes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.anatomy import Replacement, run
from paceline.train.feed import Feed
from paceline.train.trace import END, Traced

# Constants that nobody tunes: of arithmetic, not of a configuration. Every other one is taken out
# from the start, so that a new value of it never needs a new program; a wrong guess here costs a
# compilation, never an answer.
_STRUCTURAL = frozenset({0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, float("inf"), float("-inf")})

Lifted = Mapping[str, tuple[int, ...]]
"""Numbers of the constants that are taken out, for each part."""


def lifted_constants(traced: Sequence[Traced]) -> Lifted:
    """Which constants to take out of the program that these models share: all that differ, and all
    that might.
    """
    lifted: dict[str, tuple[int, ...]] = {}
    for name in traced[0].parts:
        table = np.stack([model.constants(name) for model in traced])
        differs = (_bits(table) != _bits(table[0])).any(axis=0)
        tunable = [
            differs[i] or float(table[0, i]) not in _STRUCTURAL for i in range(table.shape[1])
        ]
        lifted[name] = tuple(int(i) for i in np.flatnonzero(tunable))
    return lifted


def is_surely_lifted(value: object) -> bool:
    """Whether what a configuration says becomes a number that is taken out whatever else is known.

    So is every float that is no number of plain arithmetic, and does not become one where a layer
    or an optimizer computes with it (1 - v, 1 / v, 1 / (1 - v)). A wrong guess costs a compilation,
    never an answer.
    """
    if not isinstance(value, float) or value in _STRUCTURAL:
        return False
    return not {1.0 - value, 1.0 / value, 1.0 / (1.0 - value)} & _STRUCTURAL


def differs_in_lifted_only(lifted: Lifted, one: Traced, other: Traced) -> bool:
    """Whether two models of one key have the same constants but for those that are taken out."""
    for name, numbers in lifted.items():
        differs = _bits(other.constants(name)) != _bits(one.constants(name))
        differs[list(numbers)] = False
        if differs.any():
            return False
    return True


def _bits(constants: np.ndarray) -> np.ndarray:
    """What tells apart all that a step may: 0.0 and -0.0 are equal as numbers, and a NaN is unequal
    to itself.
    """
    return constants.view(np.uint64)


def constants_of(lifted: Lifted, traced: Traced) -> dict[str, np.ndarray]:
    """A model's row of the constants that are taken out, for each part, float ``(num_lifted,)``."""
    dtype = np.float64 if jax.config.jax_enable_x64 else np.float32  # type: ignore[attr-defined]
    return {
        name: traced.constants(name)[list(numbers)].astype(dtype)
        for name, numbers in lifted.items()
    }


@dataclass(frozen=True, eq=False)
class Program:
    """What models with one key share.

    Attributes:
        traced: the first of them; its anatomies are the code.
        lifted: the constants that lanes bring themselves.
        replacement: faster functions for some primitives, or None.
    """

    traced: Traced
    lifted: Lifted
    replacement: Replacement | None = None

    @property
    def feed(self) -> Feed:
        """The batches that it trains and validates on.

        Raises:
            TypeError: it was traced on a stream.
        """
        if not isinstance(self.traced.feed, Feed):
            raise TypeError(
                "a program of arrays cannot be of a network that was traced on a stream"
            )
        return self.traced.feed

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

    def adopt(self, traced: Traced) -> Traced:
        """A model of the same key with this program's code in place of its own, which is then free
        to go.

        A jaxpr takes some 130 KiB, which is more than a small network, and hundreds of networks may
        wait or rest. A model that the program does not cover is given back as it is.
        """
        return traced.with_code_of(self.traced) if self.covers(traced) else traced

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
        """Trains every lane on its full batches ``start`` to ``stop`` of an epoch.

        Args:
            lanes: state leaves, each ``(num_lanes, ...)``.
            constants: for each part ``(num_lanes, num_lifted)``.
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
            return self._step("train", carry[0], constants["train"], data, rows)

        logs = self._no_logs("train", order.shape[0])
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
        """Ends an epoch: the smaller last batch, the validation, and metrics back to their start.

        Args:
            lanes, constants, order: as in `train`.
            data: training and validation leaves, each ``(rows, ...)``, shared.
            held_out: validation rows of each lane, int32 ``(num_lanes, rows)``; None where all
                lanes validate with all of the validation leaves.
            logs: of the last full batch.
            fresh: metrics of each lane as they begin, each ``(num_lanes, ...)``.

        Returns:
            The new lanes, and all logs of the epoch by name, each ``(num_lanes,)``.
        """
        train, validation = data
        if "train_rest" in self.feed.sizes:
            rest = order[:, self.feed.num_steps * self.feed.sizes["train"] :]
            lanes, logs = self._step("train_rest", lanes, constants["train_rest"], train, rest)
        names = self.traced.parts["train"].log_names
        result = dict(zip(names, logs, strict=True))
        count = self.traced.layout.num_leaves - self.traced.layout.metrics
        lanes = [*lanes[:count], *fresh]
        if "test" in self.feed.sizes:
            ended, logs = self._evaluate(
                self._ended(lanes, constants), constants, validation, held_out
            )
            names = self.traced.parts["test"].log_names
            result |= {f"val_{name}": log for name, log in zip(names, logs, strict=True)}
            lanes = [*self.traced.resumed(lanes, ended)[:count], *fresh]
        return lanes, result

    def _ended(self, lanes: list[Any], constants: Any) -> list[Any]:
        """The lanes as they would be handed out if their training ended here."""
        if END not in self.traced.parts:
            return lanes
        return jax.vmap(lambda state, row: self._run(END, state, row, [])[0])(lanes, constants[END])

    def _step(
        self, name: str, lanes: list[Any], constants: Any, data: list[Any], rows: Any
    ) -> tuple[list[Any], list[Any]]:
        def one(state: list[Any], row: Any, index: Any) -> tuple[list[Any], list[Any]]:
            return self._run(name, state, row, [leaf[index] for leaf in data])

        return jax.vmap(one)(lanes, constants, rows)

    def _evaluate(
        self, lanes: list[Any], constants: dict[str, Any], data: list[Any], held_out: Any
    ) -> tuple[list[Any], list[Any]]:
        size, rows = self.feed.sizes["test"], self.feed.data.num_validation

        def at(name: str, lanes: list[Any], start: Any, count: int) -> tuple[list[Any], list[Any]]:
            if held_out is not None:
                own = lax.dynamic_slice_in_dim(held_out, start, count, axis=1)
                return self._step(name, lanes, constants[name], data, own)
            batch = [lax.dynamic_slice_in_dim(leaf, start, count) for leaf in data]
            return jax.vmap(lambda state, row: self._run(name, state, row, batch))(
                lanes, constants[name]
            )

        logs = self._no_logs("test", lanes[0].shape[0])
        lanes, logs = lax.fori_loop(
            0, rows // size, lambda i, c: at("test", c[0], i * size, size), (lanes, logs)
        )
        if "test_rest" in self.feed.sizes:
            lanes, logs = at("test_rest", lanes, rows - rows % size, rows % size)
        return lanes, logs

    def _run(
        self, name: str, state: list[Any], row: Any, batch: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """One step of one lane."""
        lifted = {number: row[i] for i, number in enumerate(self.lifted[name])}
        outs = run(self.traced.parts[name].anatomy.body, [*state, *batch], lifted, self.replacement)
        count = self.traced.layout.num_leaves
        return outs[:count], outs[count:]

    def _no_logs(self, name: str, num_lanes: int) -> list[Any]:
        """Logs of a loop that has not begun, each ``(num_lanes, ...)``."""
        outputs = self.traced.parts[name].anatomy.body.jaxpr.outvars[
            self.traced.layout.num_leaves :
        ]
        avals: list[Any] = [output.aval for output in outputs]
        return [jnp.zeros((num_lanes, *aval.shape), aval.dtype) for aval in avals]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A program compiled for a number of lanes.

    Attributes:
        program: what was compiled.
        num_lanes: number of lanes.
        train: compiled `Program.train`.
        finish: compiled `Program.finish`.
        seconds: what compiling took.
        from_scratch: number of XLA compilations that no cache answered.
    """

    program: Program
    num_lanes: int
    train: Callable[..., Any]
    finish: Callable[..., Any]
    seconds: float
    from_scratch: int
