"""What this machine likes: how many bytes of lanes it trains best at once. Measured once, kept in
the user's cache.

A small network is trained with 1, 4, 16, ... lanes. The bytes that the largest number of lanes near
the best throughput works on are the machine's capacity: a program gets as many lanes as fit into
it. On a CPU that is about what its caches hold; on a GPU it is large. More lanes than the fewest
that are fast cost nothing and save work between epochs. Derived from the figure in the cache and a
program's static size, the number of lanes is the same in every run of a study.
"""

import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
from jax import lax

from paceline.train.anatomy import dissect
from paceline.train.footprint import peak_bytes

_WIDTHS = (64, 128, 128, 10)
_BATCH = 32
_STEPS = 40
_MOST_BYTES = {
    "cpu": 2**24
}  # a CPU's cores share caches of about this size; elsewhere 256 lanes end the search
_MOST_LANES = 256
# of the best throughput: good enough, since fewer cohorts save more between epochs (33 against 38 s
# a study)
_NEAR = 0.75

State = list[jax.Array]


def cache_directory() -> Path:
    """Where Paceline keeps what it learns about this machine; ``PACELINE_CACHE`` sets another
    place.
    """
    return Path(os.environ.get("PACELINE_CACHE") or platformdirs.user_cache_dir("paceline"))


def capacity() -> int:
    """Bytes of lanes that this machine trains best at once; measured in a few seconds if that was
    never done.
    """
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
    """The bytes of the most lanes that are as good as any."""
    one = _lane_bytes()
    most = min(_MOST_BYTES.get(jax.default_backend(), _MOST_LANES * one) // one, _MOST_LANES)
    rates = {
        num_lanes: _rate(num_lanes) for num_lanes in (4**i for i in range(5)) if num_lanes <= most
    }
    best: int = max(
        num_lanes for num_lanes, rate in rates.items() if rate >= _NEAR * max(rates.values())
    )
    return one * best


def _lane_bytes() -> int:
    """What one lane works on, counted as for any program: its state, and the most that a step holds
    beside it.
    """
    state = [leaf[0] for leaf in _initial(1)]
    x, y = jnp.zeros((_BATCH, _WIDTHS[0])), jnp.zeros(_BATCH, jnp.int32)
    return sum(leaf.nbytes for leaf in state) + peak_bytes(
        dissect(jax.make_jaxpr(_step)(state, x, y)).body
    )


def _initial(num_lanes: int) -> State:
    """Weights, biases and Adam's two moments of each, ``(num_lanes, ...)``."""
    rng = np.random.default_rng(0)
    shapes = [shape for a, b in pairwise(_WIDTHS) for shape in ((a, b), (b,))]
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
    def step(i: jax.Array, lanes: State) -> State:
        start = (i % 8) * _BATCH
        batch = (
            lax.dynamic_slice_in_dim(x, start, _BATCH),
            lax.dynamic_slice_in_dim(y, start, _BATCH),
        )
        return jax.vmap(lambda state: _step(state, *batch))(lanes)

    return lax.fori_loop(0, _STEPS, step, state)


def _step(state: State, x: jax.Array, y: jax.Array) -> State:
    """One step of Adam on one lane."""
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
