"""Measures how many bytes of lanes this machine trains best at once, and caches the result.

A small network is trained with 1, 4, 16, ... lanes. The bytes used by the largest number of lanes
with nearly the best throughput are the machine's capacity: a program gets as many lanes as fit into
it. On a CPU that is roughly the size of its caches. Other devices are not measured: on an H100 the
throughput grows with the lanes and then stays, so that only memory is a limit. More lanes than
needed for the best throughput cost nothing and save work between epochs. Since the figure is
cached, the number of lanes, which depends on it and on static sizes, is the same in every run of a
study.
"""

import json
import os
import time
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paceline.train.cache_files import cache_directory, write_text
from paceline.train.constant_lifting import lift_constants
from paceline.train.cost_estimate import peak_bytes

_WIDTHS = (64, 128, 128, 10)
_BATCH = 32
_STEPS = 40
_MAX_BYTES = 2**24  # about the size of the shared caches of a CPU
_MAX_LANES = 256
# share of the best throughput that suffices: fewer cohorts save more between epochs (33 against
# 38 s for a study)
_SUFFICIENT = 0.75

State = list[jax.Array]


def capacity() -> int | None:
    """Bytes of lanes that this machine trains best at once; None if more are never slower.

    Measured once, in a few seconds.
    """
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return None
    key = f"{device.platform} {device.device_kind} {os.cpu_count()} jax {jax.__version__}"
    path = cache_directory() / "lanes.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        known[key] = _measure()
        write_text(path, json.dumps(known, indent=1))
    return int(known[key])


def _measure() -> int:
    """The bytes of the largest number of lanes with nearly the best throughput."""
    one = _lane_bytes()
    most = min(_MAX_BYTES // one, _MAX_LANES)
    rates = {
        num_lanes: _rate(num_lanes) for num_lanes in (4**i for i in range(5)) if num_lanes <= most
    }
    best = max(
        num_lanes for num_lanes, rate in rates.items() if rate >= _SUFFICIENT * max(rates.values())
    )
    return int(one * best)


def _lane_bytes() -> int:
    """The bytes of a lane, as for any program: its state and intermediate values of a step."""
    state = [leaf[0] for leaf in _initial(1)]
    x, y = jnp.zeros((_BATCH, _WIDTHS[0])), jnp.zeros(_BATCH, jnp.int32)
    return sum(leaf.nbytes for leaf in state) + peak_bytes(
        lift_constants(jax.make_jaxpr(_step)(state, x, y)).body
    )


def _initial(num_lanes: int) -> State:
    """Weights, biases and Adam's two moments of each, ``(num_lanes, ...)``."""
    rng = np.random.default_rng(0)
    shapes = [shape for a, b in pairwise(_WIDTHS) for shape in ((a, b), (b,))]
    weights = [rng.normal(0, 0.1, (num_lanes, *shape)).astype(np.float32) for shape in shapes]
    moments = [np.zeros_like(weight) for weight in weights]
    return [jnp.asarray(leaf) for leaf in (*weights, *moments, *moments)]


def _rate(num_lanes: int) -> float:
    """Steps per second, of all lanes together."""
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(_BATCH * 8, _WIDTHS[0])).astype(np.float32))
    y = jnp.asarray(rng.integers(0, _WIDTHS[-1], _BATCH * 8))
    state = _initial(num_lanes)
    train = jax.jit(_train, donate_argnums=0).lower(state, x, y).compile()
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        state = jax.block_until_ready(train(state, x, y))
        seconds.append(time.perf_counter() - began)
    return num_lanes * _STEPS / min(seconds)


def _train(state: State, x: jax.Array, y: jax.Array) -> Any:
    def step(i: jax.Array, lanes: State) -> State:
        start = (i % 8) * _BATCH
        batch = (
            lax.dynamic_slice_in_dim(x, start, _BATCH),
            lax.dynamic_slice_in_dim(y, start, _BATCH),
        )
        return jax.vmap(lambda state: _step(state, *batch))(lanes)

    return lax.fori_loop(0, _STEPS, step, state)


def _step(state: State, x: jax.Array, y: jax.Array) -> State:
    """A step of Adam on a lane."""
    count = len(state) // 3
    weights, first, second = state[:count], state[count : 2 * count], state[2 * count :]
    gradients = jax.grad(_loss)(weights, x, y)
    first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
    second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
    moved = [
        w - 1e-3 * m / (jnp.sqrt(v) + 1e-7) for w, m, v in zip(weights, first, second, strict=True)
    ]
    return [*moved, *first, *second]


def _loss(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        if i < len(weights) - 2:
            x = jax.nn.relu(x)
    return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
