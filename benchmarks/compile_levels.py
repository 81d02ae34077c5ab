"""What the levels of `paceline.train.compile_level` cost: seconds to compile, and of steps.

    KERAS_BACKEND=jax taskset -c 0 python -m benchmarks.compile_levels [--rounds 3] [--lanes 1 4]

On one core, since XLA compiles and runs in several threads. For networks of the section on typical
spaces: seconds to compile the training of an epoch for each level, in turn; microseconds of a step
of all lanes; and beside them what the costs of the levels are derived from, the numbers of
equations and of values that a step of a lane computes. No peer is needed.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers

from benchmarks import arrays
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.array_program import ArrayProgram
from paceline.train.cost_estimate import num_equations
from paceline.train.internals import QUICK_COMPILE_OPTIONS
from paceline.train.program import lifted_constants
from paceline.train.trace import trace

# the first has an option, at its default, since JAX remembers what it compiled without options
LEVELS: Mapping[str, Mapping[str, Any]] = {
    "optimised": {"xla_backend_optimization_level": 3},
    "quick": QUICK_COMPILE_OPTIONS,
    # not used: see design note 0030
    "fast": {**QUICK_COMPILE_OPTIONS, "xla_backend_optimization_level": 0},
}
STEPS = 200


def networks() -> Iterator[tuple[str, keras.Model, tuple[int, int | None]]]:
    """Networks, each with the number of its features and of its classes."""
    for widths in ((), (32,), (64, 64), (100, 100, 100)):
        for optimizer in (keras.optimizers.SGD, keras.optimizers.Adam):
            dense = [layers.Dense(width, activation="relu") for width in widths]
            model = keras.Sequential([keras.Input((8,)), *dense, layers.Dense(1)])
            model.compile(optimizer(clipnorm=1.0), "mse")
            yield f"8-{widths} {optimizer.__name__}", model, (8, None)
    for width in (64, 256, 512):
        dense = [layers.Dense(width, activation="relu"), layers.Dropout(0.2)]
        last = layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input((784,)), *dense, last])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        yield f"784-{width} dropout Adam", model, (784, 10)


def measure(name: str, model: keras.Model, shape: tuple[int, int | None], options: Any) -> None:
    """Prints a line for each number of lanes."""
    features, classes = shape
    x, y = arrays.made_up((features,), 32 * STEPS, classes=classes)
    feed = ArrayFeed(TrainingData.of((x, y), None), 32)
    traced = trace(model, feed)
    program = ArrayProgram(traced, lifted_constants([traced]))
    row = program.constants(traced)
    for lanes in options.lanes:
        constants = {part: jnp.stack([one] * lanes) for part, one in row.items()}
        order = jnp.stack([jnp.arange(len(x), dtype=jnp.int32)] * lanes)
        rest = (constants, feed.data.leaves[0], order, jnp.int32(0), jnp.int32(STEPS))

        def state(lanes: int = lanes) -> list[Any]:
            return [jnp.stack([leaf] * lanes) for leaf in traced.state]

        lowered = jax.jit(program.train, donate_argnums=0).lower(state(), *rest)
        compiling: dict[str, list[float]] = {level: [] for level in LEVELS}
        running: dict[str, list[float]] = {level: [] for level in LEVELS}
        for _ in range(options.rounds):
            for level, settings in LEVELS.items():
                jax.clear_caches()  # JAX remembers what it compiled
                began = time.process_time()
                compiled = lowered.compile(compiler_options=dict(settings))
                compiling[level].append(time.process_time() - began)
                started = state()
                began = time.process_time()
                jax.block_until_ready(compiled(started, *rest))
                running[level].append((time.process_time() - began) / STEPS)
        seconds = "  ".join(f"{level} {np.median(compiling[level]):5.2f} s" for level in LEVELS)
        steps = "  ".join(f"{1e6 * min(running[level]):8.1f}" for level in LEVELS)
        equations = num_equations(traced.parts["train"].code.body)
        print(
            f"{name:<28} x{lanes}  {seconds}  us a step {steps}  "
            f"{equations} equations, {program.num_values('train'):,} values",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args(arguments)
    for name, model, shape in networks():
        measure(name, model, shape, options)


if __name__ == "__main__":
    main()
