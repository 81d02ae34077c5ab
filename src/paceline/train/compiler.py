"""Compiling programs: beside the training, once each, and remembered on disk."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from paceline.core import process_state
from paceline.train.disk_cache import use_disk_cache
from paceline.train.feed import PooledData
from paceline.train.footprint import num_values
from paceline.train.internals import compile_quickly
from paceline.train.program import Compiled, Program

if TYPE_CHECKING:
    from paceline.train.stream_program import StreamCompiled, StreamProgram

# An end of an epoch that computes no more numbers than these, and than this share of the epoch's,
# is compiled without
# optimising: it then runs a few ns a number longer, 2 % of an epoch of an MLP on MNIST, and
# compiling a program takes half as long.
_FEW_NUMBERS, _SMALL_SHARE = 2e7, 0.05

_HIT_EVENT = "/jax/compilation_cache/cache_hits"
_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


class _Counter(threading.local):
    """Counts, in this thread, XLA compilations and how many of them the cache on disk answered."""

    compilations = 0
    hits = 0


_counter = _Counter()
_listening = threading.Event()


def _listen() -> None:
    if _listening.is_set():
        return
    _listening.set()

    def hit(event: str, **_: Any) -> None:
        if event == _HIT_EVENT:
            _counter.hits += 1

    def compiled(event: str, duration_secs: float, **_: Any) -> None:  # noqa: ARG001 - JAX passes it by name
        if event == _COMPILE_EVENT:
            _counter.compilations += 1

    def stop() -> None:
        _listening.clear()
        jax.monitoring.unregister_event_listener(hit)
        jax.monitoring.unregister_event_duration_listener(compiled)

    jax.monitoring.register_event_listener(hit)
    jax.monitoring.register_event_duration_secs_listener(compiled)
    if hasattr(jax.monitoring, "unregister_event_listener"):  # not in JAX 0.8
        process_state.restore_at_end(__name__, stop)


@contextmanager
def counting() -> Iterator[_Counter]:
    """Counts the compilations of this thread while it lasts."""
    _listen()
    before = (_counter.compilations, _counter.hits)
    result = _Counter()
    yield result
    result.compilations = _counter.compilations - before[0]
    result.hits = _counter.hits - before[1]


class Compiler:
    """Compiles in threads of its own while the device trains; a program and number of lanes is
    compiled once.
    """

    def __init__(self, devices: list[jax.Device] | None = None, num_threads: int = 1) -> None:
        use_disk_cache()
        self.devices = devices or jax.local_devices()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="paceline-compile")
        self._futures: dict[tuple[Program | StreamProgram, int], Future[Any]] = {}

    @property
    def mesh(self) -> Mesh | None:
        """The devices that lanes are spread over, or None when there is one."""
        return Mesh(self.devices, ("lanes",)) if len(self.devices) > 1 else None

    @overload
    def request(self, program: Program, num_lanes: int) -> Future[Compiled]: ...
    @overload
    def request(self, program: "StreamProgram", num_lanes: int) -> "Future[StreamCompiled]": ...
    def request(self, program: "Program | StreamProgram", num_lanes: int) -> Future[Any]:
        """The program compiled for so many lanes, soon."""
        key = (program, num_lanes)
        if key not in self._futures:
            if isinstance(program, Program):
                self._futures[key] = self._pool.submit(_compile, program, num_lanes, self.mesh)
            else:
                self._futures[key] = self._pool.submit(program.compile, num_lanes, self.mesh)
        return self._futures[key]

    def is_requested(self, program: "Program | StreamProgram", num_lanes: int) -> bool:
        """Whether this size has been compiled or is about to be."""
        return (program, num_lanes) in self._futures

    def close(self) -> None:
        """Cancels what has not begun, and ends the threads; nothing can stop one that compiles."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if all(future.done() for future in self._futures.values()):
            self._pool.shutdown()


def _compile(program: Program, num_lanes: int, mesh: Mesh | None) -> Compiled:
    started = time.perf_counter()
    lanes = [spec(leaf, num_lanes, mesh) for leaf in program.traced.state]
    constants = {
        name: spec(row, num_lanes, mesh) for name, row in program.constants(program.traced).items()
    }
    data = program.feed.data.leaves
    own = program.feed.data

    def rows(count: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((num_lanes, count), jnp.int32, sharding=lane_sharding(mesh))

    order, held_out = (
        rows(own.num_train),
        rows(own.num_validation) if isinstance(own, PooledData) else None,
    )
    index = jax.ShapeDtypeStruct((), jnp.int32)
    with counting() as counted:
        train = jax.jit(
            spread(program.train, mesh, (True, True, False, True, False, False)), donate_argnums=0
        )
        lowered = train.lower(lanes, constants, data[0], order, index, index)
        logs = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=lane_sharding(mesh)),
            lowered.out_info[1],
        )
        compiled_train = lowered.compile()
        finish = jax.jit(
            spread(program.finish, mesh, (True, True, False, True, True, True, True)),
            donate_argnums=0,
        )
        fresh = lanes[len(lanes) - program.traced.layout.metrics :]
        lowered = finish.lower(lanes, constants, data, order, held_out, logs, fresh)
        quickly = jax.default_backend() == "cpu" and _runs_seldom(program, num_lanes)
        compiled_finish = compile_quickly(lowered) if quickly else lowered.compile()
    seconds = time.perf_counter() - started
    from_scratch = counted.compilations - counted.hits
    return Compiled(program, num_lanes, compiled_train, compiled_finish, seconds, from_scratch)


def _runs_seldom(program: Program, num_lanes: int) -> bool:
    """Whether the end of an epoch is a small part of it."""
    feed = program.feed
    times = {
        "train_rest": 1,
        "test": feed.data.num_validation // feed.sizes.get("test", 1),
        "test_rest": 1,
    }
    values = {name: num_values(part.anatomy.body) for name, part in program.traced.parts.items()}
    ending = sum(values[name] * count for name, count in times.items() if name in values)
    return (
        ending * num_lanes <= _FEW_NUMBERS
        and ending <= _SMALL_SHARE * values["train"] * feed.num_steps
    )


def lane_sharding(mesh: Mesh | None) -> NamedSharding | None:
    """How arrays with a lane axis lie on the devices."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec("lanes"))


def spec(leaf: Any, num_lanes: int, mesh: Mesh | None) -> jax.ShapeDtypeStruct:
    """What one such array a lane is when they are stacked."""
    return jax.ShapeDtypeStruct((num_lanes, *leaf.shape), leaf.dtype, sharding=lane_sharding(mesh))


def spread(function: Any, mesh: Mesh | None, has_lanes: tuple[bool, ...]) -> Any:
    """The function with its lanes spread over the mesh: each device runs its own, and they never
    talk.
    """
    if mesh is None:
        return function
    specs = tuple(PartitionSpec("lanes") if lanes else PartitionSpec() for lanes in has_lanes)
    return jax.shard_map(
        function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("lanes"), check_vma=False
    )
