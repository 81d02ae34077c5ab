"""Compiles programs in threads, each once for a number of lanes, with a cache on disk."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh

from paceline.train.disk_cache import use_disk_cache
from paceline.train.kept_executables import prune_executables
from paceline.train.program import Compilable
from paceline.train.sharding import lane_mesh

C = TypeVar("C")


class Compiler:
    """Compiles programs in threads while devices train.

    Args:
        devices: over which lanes are distributed; None for all of this process.
        num_threads: compilations at the same time.
    """

    def __init__(self, devices: list[jax.Device] | None = None, num_threads: int = 1) -> None:
        use_disk_cache()
        prune_executables()
        self.devices = devices or jax.local_devices()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="paceline-compile")
        self._futures: dict[tuple[Compilable[Any], int], Future[Any]] = {}

    @property
    def mesh(self) -> Mesh | None:
        """The devices over which lanes are distributed; None if there is one."""
        return lane_mesh(self.devices)

    def request(self, program: Compilable[C], num_lanes: int) -> Future[C]:
        """Compiles the program for a number of lanes, unless that was already requested."""
        key = (program, num_lanes)
        if key not in self._futures:
            self._futures[key] = self._pool.submit(program.compile, num_lanes, self.mesh)
        return self._futures[key]

    def close(self) -> None:
        """Cancels compilations that have not started, and ends the threads that do not compile."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if all(future.done() for future in self._futures.values()):
            self._pool.shutdown()
