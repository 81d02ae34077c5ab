"""The supply of actors that call a function objective on a Ray cluster."""

import pickle
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from paceline.core import InvalidInput
from paceline.execute.process_worker import Load
from paceline.execute.ray.cluster import Cluster, WorkerResources
from paceline.execute.ray.supply import ActorSupply
from paceline.execute.ray.worker import RayWorker
from paceline.execute.versions import versions


class RaySupply:
    """Actors as workers of a `FunctionExecutor`.

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

        shipped = cluster.put(load, len(pickle.dumps(load)), "the function and what it refers to")
        arguments = shipped, metric, versions(), memory_limit
        self.limit = limit
        self._actors: ActorSupply[RayWorker] = ActorSupply(
            cluster,
            share,
            limit,
            FunctionActor,
            GROUPS,
            arguments,
            lambda actor, on_change: RayWorker(actor, on_change).listen(),
            self._wake,
        )
        self.link: Connection | None
        self.link, self._changed = Pipe(duplex=False)

    def take(self, num_held: int, num_waiting: int) -> RayWorker | None:
        """Returns an actor that has started, or None; starts more where there is room.

        Raises:
            InvalidInput: an actor has other versions than the study, or cannot import the function.
            PacelineError: actors cannot start.
        """
        worker = self._actors.take(num_held, num_waiting)
        if worker is not None:
            _check(worker)
            worker.start()
        return worker

    def close(self) -> None:
        """Ends the actors that are starting."""
        self._actors.close()
        self._changed.close()
        if self.link is not None:
            self.link.close()

    def _wake(self) -> None:
        with suppress(OSError):  # closed meanwhile
            self._changed.send_bytes(b"")


def _check(worker: RayWorker) -> None:
    """Checks that a worker can call the function, and closes it if not.

    Raises:
        InvalidInput: it cannot.
    """
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
