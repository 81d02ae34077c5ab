"""What this machine likes: how much lane state it trains best at once. Measured once, kept in the user's cache.

A small network is trained with 1, 2, 4, ... lanes until throughput falls. The bytes of state that the largest number
of lanes near the best throughput holds are the machine's capacity: a program gets as many lanes as fit into it. On a
CPU that is about what its caches hold; on a GPU it is large. More lanes than the smallest number that is fast cost
nothing and save work between epochs. Derived from the figure in the cache and a program's static size, the number of
lanes is the same in every run of a study.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
from jax import lax

_WIDTHS = (64, 128, 128, 10)
_BATCH = 32
_STEPS = 40
_MOST_BYTES = {"cpu": 2**23}  # a CPU's cores share caches of about this size; elsewhere 256 lanes end the search
_MOST_LANES = 256
_NEAR = 0.95  # of the best throughput: as good
_FALLEN = 0.85  # of the best throughput: the search ends

State = list[jax.Array]


def cache_directory() -> Path:
    """Where Paceline keeps what it learns about this machine; ``PACELINE_CACHE`` sets another place."""
    return Path(os.environ.get("PACELINE_CACHE") or platformdirs.user_cache_dir("paceline"))


def capacity() -> int:
    """Bytes of lane state that this machine trains best at once; measured in a few seconds if that was never done."""
    device = jax.local_devices()[0]
    key = f"{device.platform} {device.device_kind} {os.cpu_count()} jax {jax.__version__}"
    path = cache_directory() / "lanes.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        known[key] = _measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(path)
    return int(known[key])


def _measure() -> int:
    """Doubles the lanes until throughput falls; the bytes of the most lanes that were as good as any."""
    one = sum(leaf.nbytes for leaf in _initial(1))
    most = _MOST_BYTES.get(jax.default_backend(), _MOST_LANES * one)
    rates = {1: _rate(1)}
    while (num_lanes := 2 * max(rates)) * one <= most and rates[num_lanes // 2] > _FALLEN * max(rates.values()):
        rates[num_lanes] = _rate(num_lanes)
    return one * max(k for k, rate in rates.items() if rate >= _NEAR * max(rates.values()))


def _initial(num_lanes: int) -> State:
    """Weights, biases and Adam's two moments of each, ``(num_lanes, ...)``."""
    rng = np.random.default_rng(0)
    shapes = [shape for a, b in zip(_WIDTHS, _WIDTHS[1:], strict=False) for shape in ((a, b), (b,))]
    weights = [rng.normal(0, 0.1, (num_lanes, *shape)).astype(np.float32) for shape in shapes]
    moments = [np.zeros_like(weight) for weight in weights]
    return [jnp.asarray(leaf) for leaf in (*weights, *moments, *moments)]


def _rate(num_lanes: int) -> float:
    """Model-steps per second with so many lanes."""
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
    def one(state: State, x: jax.Array, y: jax.Array) -> State:
        count = len(state) // 3
        weights, first, second = state[:count], state[count : 2 * count], state[2 * count :]
        gradients = jax.grad(_loss)(weights, x, y)
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        moved = [w - 1e-3 * m / (jnp.sqrt(v) + 1e-7) for w, m, v in zip(weights, first, second, strict=True)]
        return [*moved, *first, *second]

    def step(i: jax.Array, lanes: State) -> State:
        start = (i % 8) * _BATCH
        batch = lax.dynamic_slice_in_dim(x, start, _BATCH), lax.dynamic_slice_in_dim(y, start, _BATCH)
        return jax.vmap(lambda state: one(state, *batch))(lanes)

    return lax.fori_loop(0, _STEPS, step, state)


def _loss(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        if i < len(weights) - 2:
            x = jax.nn.relu(x)
    return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
