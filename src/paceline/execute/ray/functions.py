"""The supply of actors that call a function objective on a Ray cluster."""

import pickle
import secrets
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from paceline.core import InvalidInput, PacelineError
from paceline.execute.process_worker import Load
from paceline.execute.ray.cluster import NAMESPACE, Cluster, WorkerResources, ray_module
from paceline.execute.ray.lost_nodes import LostNodes
from paceline.execute.ray.versions import versions
from paceline.execute.ray.worker import RayWorker

_TRIES = 2  # starts of an actor that fail one after the other


class RaySupply:
    """Actors as workers: only those that have started are given out.

    An actor for which no node has room waits in Ray's queue, where an autoscaler sees it. So nodes
    that join are used without looking for them.

    Attributes:
        limit: how many calls run at once; None for as many as there is room for.
        link: receives a message when an actor has started, or could not.
    """

    def __init__(
        self,
        cluster: Cluster,
        share: WorkerResources,
        limit: int | None,
        load: Load,
        metric: str,
        memory_limit: int | None,
    ) -> None:
        """Sends the function to the cluster; no actor starts yet.

        Args:
            cluster: where.
            share: what each actor gets of its node.
            limit: how many there are at most; None for as many as there is room for.
            load: imports the function.
            metric: the objective's name.
            memory_limit: bytes that a call may take; None for no limit.

        Raises:
            InvalidInput: no node of the cluster has room for an actor, or the function is too large
                for its object store.
        """
        from paceline.execute.ray.actor import GROUPS, FunctionActor

        self._cluster, self._share, self.limit = cluster, share, limit
        cluster.check_room(share)
        shipped = cluster.put(load, len(pickle.dumps(load)), "the function and what it refers to")
        self._arguments = shipped, metric, versions(), memory_limit
        self._make = ray_module().remote(
            num_cpus=self._share.cpus,
            num_gpus=self._share.gpus,
            max_restarts=0,
            concurrency_groups=GROUPS,
        )(FunctionActor)
        self.link: Connection | None
        self.link, self._changed = Pipe(duplex=False)
        self._starting: list[RayWorker] = []
        self._lost = LostNodes(cluster)
        self._failures = 0

    def take(self, num_held: int, num_waiting: int) -> RayWorker | None:
        """Returns an actor that has started, or None; starts more where there is room.

        Raises:
            InvalidInput: an actor has other versions than the study, or cannot import the function.
            PacelineError: actors cannot start.
        """
        if self._lost.are_new():
            self._close_starting()  # Ray may have chosen a node that it does not know to be lost
        found = None
        for worker in list(self._starting):
            reason = worker.death()
            if worker.first is None and reason is None:
                continue
            if found is None or reason is not None:
                self._starting.remove(worker)
                if reason is not None:
                    self._fail(worker, reason)
                else:
                    self._check_first(worker)
                    self._failures, found = 0, worker
        if found is None:
            self._start(num_held, num_waiting)
        return found

    def close(self) -> None:
        """Ends the actors that are starting."""
        self._close_starting()
        self._changed.close()
        if self.link is not None:
            self.link.close()

    def _close_starting(self) -> None:
        for worker in self._starting:
            worker.close()
        self._starting.clear()

    def _start(self, num_held: int, num_waiting: int) -> None:
        """Starts actors: as many as are needed and there is room for, but always one."""
        if self.limit is not None:
            room = self.limit - num_held
        elif self._starting:
            return
        else:
            room = max(1, self._cluster.free_room(self._share))
        for _ in range(min(room, num_waiting) - len(self._starting)):
            name = f"function-{secrets.token_hex(8)}"
            options = {"name": name, "namespace": NAMESPACE, **self._lost.options()}
            actor = self._make.options(**options).remote(*self._arguments)
            self._starting.append(RayWorker(actor, self._wake))

    def _check_first(self, worker: RayWorker) -> None:
        first: Any = worker.first
        if first["kind"] == "ready":
            return
        worker.close()
        if first["kind"] == "refused":
            raise InvalidInput(
                f"the versions on the Ray worker {worker.name} differ: {first['error']}",
                expected="the same versions of Python, paceline, keras and jax on all nodes",
            )
        raise InvalidInput(
            f"the function cannot be loaded on the Ray worker {worker.name} ({first['error']})",
            expected="a function that each node can load",
            fix="Install its module on the nodes, or send it along before the call: "
            "ray.init(runtime_env={'py_modules': [...]}). Functions of the script itself are sent "
            "with all that they refer to in it.",
        )

    def _fail(self, worker: RayWorker, reason: str) -> None:
        self._failures += 1
        worker.close()
        if self._failures >= _TRIES:
            raise PacelineError(
                f"Workers cannot start on the Ray cluster: the last {self._failures} ended before "
                f"they could begin. {reason[0].upper()}{reason[1:]}"
            )

    def _wake(self, worker: RayWorker) -> None:
        if worker.lost_node is not None:
            self._lost.add(worker.lost_node)
        with suppress(OSError):  # closed meanwhile
            self._changed.send_bytes(b"")
