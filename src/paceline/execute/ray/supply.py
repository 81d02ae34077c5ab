"""Actors of one kind, as many as there is room for."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from paceline.core import PacelineError
from paceline.execute.ray.cluster import NAMESPACE, Cluster, WorkerResources, ray_module
from paceline.execute.ray.handle import ActorHandle
from paceline.execute.ray.lost_nodes import LostNodes

A = TypeVar("A", bound=ActorHandle)

_PROCESS = secrets.token_hex(4)  # in the names of the actors that this process starts
_TRIES = 2  # starts of an actor that fail one after the other


def is_own(name: str) -> bool:
    """Whether an actor, by its name, was started by this process."""
    return name.split("-")[1:2] == [_PROCESS]


class ActorSupply(Generic[A]):
    """Starts actors; only those that have started are given out.

    An actor for which no node has room waits in Ray's queue, where an autoscaler sees it. So nodes
    that join are used without looking for them.
    """

    def __init__(
        self,
        cluster: Cluster,
        share: WorkerResources,
        limit: int | None,
        kind: type,
        groups: Mapping[str, int],
        arguments: Sequence[Any],
        listen: Callable[[Any, Callable[[ActorHandle], None]], A],
        wake: Callable[[], None],
    ) -> None:
        """No actor starts yet.

        Args:
            cluster: where.
            share: what each actor gets of its node.
            limit: how many there are at most; None for as many as there is room for.
            kind: the class of the actors.
            groups: their threads, by name.
            arguments: those of their constructor.
            listen: makes the handle of one from Ray's, and of what to call when it changes.
            wake: called from any thread when an actor has started, or could not.

        Raises:
            InvalidInput: no node of the cluster has room for one.
        """
        cluster.check_room(share)
        self._cluster, self._share, self._limit = cluster, share, limit
        self._arguments, self._listen, self._wake = arguments, listen, wake
        self._kind = kind.__name__.removesuffix("Actor").lower()
        self._make = ray_module().remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,
            concurrency_groups=dict(groups),
        )(kind)
        self._starting: list[A] = []
        self._lost = LostNodes(cluster)
        self._failures = 0

    def take(self, num_held: int, num_waiting: int) -> A | None:
        """Returns an actor that has started, or None; starts more where there is room.

        Args:
            num_held: actors that were given out and are in use.
            num_waiting: how many more are needed.

        Raises:
            PacelineError: actors cannot start.
        """
        if self._lost.are_new():
            self.close()  # Ray may have chosen a node that it does not know to be lost
        found = None
        for actor in list(self._starting):
            reason = actor.death()
            if reason is not None:
                self._starting.remove(actor)
                self._fail(actor, reason)
            elif found is None and actor.first is not None:
                self._starting.remove(actor)
                self._failures, found = 0, actor
        if found is None:
            self._start(num_held, num_waiting)
        return found

    def close(self) -> None:
        """Ends the actors that are starting."""
        for actor in self._starting:
            actor.close()
        self._starting.clear()

    def _start(self, num_held: int, num_waiting: int) -> None:
        """Starts actors: as many as are needed and there is room for, but always one."""
        if self._limit is not None:
            room = self._limit - num_held
        elif self._starting:
            return
        else:
            room = max(1, self._cluster.free_room(self._share))
        for _ in range(min(room, num_waiting) - len(self._starting)):
            name = f"{self._kind}-{_PROCESS}-{secrets.token_hex(8)}"
            options = {"name": name, "namespace": NAMESPACE, **self._lost.options()}
            actor = self._make.options(**options).remote(*self._arguments)
            self._starting.append(self._listen(actor, self._changed))

    def _fail(self, actor: A, reason: str) -> None:
        self._failures += 1
        actor.close()
        if self._failures >= _TRIES:
            raise PacelineError(
                f"Workers cannot start on the Ray cluster: the last {self._failures} ended before "
                f"they could begin. {reason[0].upper()}{reason[1:]}"
            )

    def _changed(self, actor: ActorHandle) -> None:
        if actor.lost_node is not None:
            self._lost.add(actor.lost_node)
        self._wake()
