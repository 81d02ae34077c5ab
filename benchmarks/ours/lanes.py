"""Model-steps per second of one program against its number of lanes, on the device of this process.

Request: ``space, data, batch_size``, ``lanes`` (numbers to try, in order), ``seconds`` (of each
measurement), ``minutes`` (no further number is begun after them).
Answer: ``rates`` and ``compile_seconds`` by number of lanes, ``state_bytes`` and ``lane_bytes`` of
a lane, ``skipped`` (a reason by number of lanes), ``device``, ``bandwidth`` (bytes per second of a
copy, read and written).
"""

import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.arrays import read
from benchmarks.builds import SPACES, Smallest
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.array_program import ArrayProgram
from paceline.train.cohort import Cohort, Lane
from paceline.train.device_facts import DeviceFacts
from paceline.train.lane_count import lane_bytes, state_bytes
from paceline.train.primitive_overrides import find_override
from paceline.train.program import lifted_constants
from paceline.train.trace import trace

_EPOCHS = 10**9  # of their training, which is cut short


def program_of(request: Mapping[str, Any]) -> ArrayProgram:
    data, model = read(request["data"]), SPACES[request["space"]].build(Smallest())
    x, y = data["x"], data["y"]
    shape = model.input_shape[1:]
    x, held_out = x.reshape(len(x), *shape), data["x_val"].reshape(-1, *shape)
    feed = ArrayFeed(TrainingData.of((x, y), (held_out, data["y_val"])), request["batch_size"])
    traced = trace(model, feed)
    overrides = partial(find_override, platform=jax.default_backend())
    return ArrayProgram(traced, lifted_constants([traced]), overrides)


def rate(program: ArrayProgram, num_lanes: int, seconds: float) -> tuple[float, float]:
    """Steps per second of all lanes together, validation included, after one epoch; and the
    seconds until that epoch begins, compiling included.
    """
    start = time.perf_counter()
    cohort = Cohort(program.compile(num_lanes, None))
    lanes = {slot: Lane(program.traced, _EPOCHS, slot) for slot in range(num_lanes)}
    cohort.fill(lanes)
    compiled = time.perf_counter() - start
    _epoch(cohort)
    epochs, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        _epoch(cohort)
        epochs += 1
    elapsed = time.perf_counter() - start
    return epochs * program.feed.num_steps * num_lanes / elapsed, compiled


def _epoch(cohort: Cohort) -> None:
    for _ in cohort.advance():
        pass
    cohort.epoch_logs()


def bandwidth(num_bytes: int) -> float:
    """Bytes per second that a sum of an array and a number reads and writes."""
    array = jnp.zeros(num_bytes // 4, jnp.float32)
    add = jax.jit(lambda a: a + 1.0, donate_argnums=0).lower(array).compile()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        array = jax.block_until_ready(add(array))
        seconds.append(time.perf_counter() - start)
    return 2 * num_bytes / min(seconds)


def measure(request: Mapping[str, Any]) -> dict[str, Any]:
    program, facts = program_of(request), DeviceFacts.of_machine()
    rates: dict[str, float] = {}
    compile_seconds: dict[str, float] = {}
    skipped: dict[str, str] = {}
    until = time.perf_counter() + 60 * request["minutes"]
    for num_lanes in request["lanes"]:
        if num_lanes * lane_bytes(program) > facts.free_bytes:
            skipped[str(num_lanes)] = "more memory predicted than is free"
        elif time.perf_counter() > until:
            skipped[str(num_lanes)] = "no time left"
        else:
            try:
                measured = rate(program, num_lanes, request["seconds"])
                rates[str(num_lanes)], compile_seconds[str(num_lanes)] = measured
            except Exception as error:  # out of memory, for example
                skipped[str(num_lanes)] = str(error).splitlines()[0][:200]
    return {
        "rates": rates,
        "compile_seconds": compile_seconds,
        "skipped": skipped,
        "state_bytes": state_bytes(program),
        "lane_bytes": lane_bytes(program),
        "device": f"{facts.count} × {jax.local_devices()[0].device_kind}",
        "platform": facts.platform,
        "bandwidth": bandwidth(2**28 if facts.is_cpu else 2**31),
    }


if __name__ == "__main__":
    print("\n" + json.dumps(measure(json.loads(sys.argv[1]))))
