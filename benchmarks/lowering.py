"""Step rates of convolutional networks by how their training step is run; no peer needed.

    KERAS_BACKEND=jax python -m benchmarks.lowering [--rounds 5] [--lanes 2] [8-16 32-64
    32-64-64-128]

Sides, run in turn within one process so that a busy machine is busy for all of them: Keras-JAX
``fit``; the step in a loop with `paceline.train.primitive_overrides`, with one lane and with
several (by ``vmap``, and one after another by ``lax.map``); and the same step dispatched one by one
from the host. Processor time is printed beside the rate: it hardly depends on what else the machine
does. ``--originals`` adds the loop without replacements, which takes minutes.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from benchmarks import builds
from paceline.train import internals, primitive_overrides
from paceline.train.constant_lifting import lift_constants
from paceline.train.lifted_evaluation import OverrideLookup, evaluate

BATCH, SHAPE, CLASSES = 64, (28, 28, 1), 10
Step = Callable[[list[Any], Any, Any], list[Any]]


@dataclass
class Side:
    """One way to train: ``go`` takes ``steps`` model-steps."""

    name: str
    go: Callable[[], Any]
    steps: int
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def once(self) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        self.go()
        self.wall.append((time.perf_counter() - wall) / self.steps)
        self.processor.append((time.process_time() - processor) / self.steps)

    def __str__(self) -> str:
        best, median = 1 / min(self.wall), 1 / float(np.median(self.wall))
        used = 1e3 * min(self.processor)
        return (
            f"  {self.name:<28} best {best:8.1f}  median {median:8.1f} steps/s; {used:7.1f} ms of "
            f"processor time a step"
        )


def build(network: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    return builds.SPACES[f"cnn {network}"].build(builds.Smallest())


def batches(count: int) -> tuple[Any, Any]:
    """Images ``(count, BATCH, *SHAPE)`` and classes ``(count, BATCH)``."""
    rng = np.random.default_rng(0)
    images = rng.random((count, BATCH, *SHAPE), dtype=np.float32)
    return jnp.asarray(images), jnp.asarray(
        rng.integers(0, CLASSES, (count, BATCH)).astype(np.int32)
    )


def traced(network: str, replacement: OverrideLookup | None) -> tuple[list[Any], Step]:
    """The network's state and one step of its training."""
    model = build(network)
    x, y = batches(1)
    internals.symbolic_build(model, (x[0], y[0]))
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    leaves, tree = jax.tree.flatten([[variable.value for variable in group] for group in groups])

    def train(leaves: list[Any], x: Any, y: Any) -> list[Any]:
        return jax.tree.leaves(model.train_step(tuple(jax.tree.unflatten(tree, leaves)), (x, y))[1])

    body = lift_constants(jax.make_jaxpr(train)(leaves, x[0], y[0])).body
    return leaves, lambda leaves, x, y: evaluate(body, [*leaves, x, y], {}, replacement)


def fit(network: str, steps: int) -> Side:
    model = build(network)
    x, y = (np.asarray(a).reshape(-1, *a.shape[2:]) for a in batches(steps))
    return Side("keras-jax fit", partial(model.fit, x, y, batch_size=BATCH, verbose=0), steps)


def in_a_loop(
    network: str, steps: int, replacement: OverrideLookup | None, lanes: int, over: str
) -> Side:
    """``steps`` steps of ``lanes`` copies of the network in one program."""
    leaves, step = traced(network, replacement)
    x, y = batches(steps)

    def tick(i: Any, state: list[Any]) -> list[Any]:
        def one(leaves: list[Any]) -> list[Any]:
            return step(leaves, x[i], y[i])

        return list(jax.vmap(one)(state) if over == "vmap" else lax.map(one, state))

    program = jax.jit(lambda state: lax.fori_loop(0, steps, tick, state))
    state = [jnp.stack([leaf] * lanes) for leaf in leaves]
    name = (
        f"loop, {lanes} lane(s) by {over}"
        if replacement
        else f"loop of the originals, {lanes} lane(s)"
    )
    return Side(name, lambda: jax.block_until_ready(program(state)), steps * lanes)


def dispatched(network: str, steps: int, replacement: OverrideLookup) -> Side:
    """One dispatch for each step, the state donated."""
    leaves, step = traced(network, replacement)
    program = jax.jit(step, donate_argnums=0)
    x, y = batches(steps)

    def go() -> None:
        state = [jnp.array(leaf) for leaf in leaves]
        for i in range(steps):
            state = program(state, x[i], y[i])
        jax.block_until_ready(state)

    return Side("one dispatch a step", go, steps)


def sides(network: str, steps: int, lanes: int, originals: bool) -> list[Side]:
    replacement = partial(primitive_overrides.find_override, platform=jax.default_backend())
    found = [fit(network, steps), in_a_loop(network, steps, replacement, 1, "vmap")]
    if lanes > 1:
        found += [in_a_loop(network, steps, replacement, lanes, over) for over in ("vmap", "map")]
    found.append(dispatched(network, steps, replacement))
    return [*found, in_a_loop(network, steps, None, 1, "vmap")] if originals else found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=list(builds.CNNS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--originals", action="store_true")
    options = parser.parse_args(arguments)
    for network in options.networks:
        print(network, flush=True)
        measured = sides(network, options.steps, options.lanes, options.originals)
        for side in measured:
            side.go()  # compiles
        for _ in range(options.rounds):
            for side in measured:
                side.once()
        print(*measured, sep="\n", flush=True)


if __name__ == "__main__":
    main()
