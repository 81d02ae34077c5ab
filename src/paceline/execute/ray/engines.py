"""The transport of engines on a Ray cluster: an actor each."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paceline.execute.engines.messages import Message
from paceline.execute.ray.cluster import Cluster, WorkerResources
from paceline.execute.ray.handle import ActorHandle
from paceline.execute.ray.programs import Program, SharedPrograms
from paceline.execute.ray.supply import ActorSupply

_SHIPPED = 2**16  # bytes; smaller arrays go with their message
_GPU_MEMORY = 0.75  # of a GPU, which JAX takes by default
_WANTED = 64  # engines that start at once, at most


class Shipment:
    """Arrays that all engines get, such as the data: in the object store once."""

    def __init__(self, cluster: Cluster) -> None:
        """Nothing is in the store yet."""
        self._cluster, self._total = cluster, 0
        self._known: dict[Any, tuple[Any, Any]] = {}

    def of(self, array: Any) -> Any:
        """The reference to an array in the store; a small array itself.

        Raises:
            InvalidInput: all together are larger than the object store of a node.
        """
        if array.nbytes < _SHIPPED:
            return array
        described = array.__array_interface__
        key = described["data"][0], array.shape, array.strides, array.dtype
        if key not in self._known:  # the array is kept, so that no other gets its place in memory
            self._total += array.nbytes
            self._known[key] = array, self._cluster.put(array, self._total, "the data")
        return self._known[key][1]


class RayEngine(ActorHandle):
    """The study's end of an engine; a `paceline.execute.engines.link.Link`.

    Attributes:
        cores: of its machine that it uses; empty for all.
    """

    def __init__(
        self,
        actor: Any,
        on_change: Callable[[ActorHandle], None],
        shipment: Shipment,
        programs: SharedPrograms,
    ) -> None:
        """Waits for nothing yet; see `ActorHandle`."""
        super().__init__(actor, on_change)
        self._shipment, self._programs = shipment, programs
        self._arrived: deque[Message] = deque()
        self.cores: Sequence[int] = ()

    def begin(self, cores: Sequence[int], environment: Mapping[str, str]) -> None:
        """Starts the engine in the actor; see `EngineActor.begin`."""
        self._actor.begin.remote(list(cores), dict(environment))

    def send(self, message: Message) -> None:
        """Sends a message, without waiting for its arrival.

        Raises:
            InvalidInput: the data are larger than the object store of a node.
        """
        arrays = list(message.arrays)
        if message.kind == "start":
            arrays = [self._shipment.of(array) for array in arrays]
        self._actor.send.remote(message.kind, json.dumps(message.content), *arrays)

    def receive(self) -> list[Message]:
        """The messages that have arrived, in order; never waits."""
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    @property
    def loss(self) -> str | None:
        """Why the engine was lost, as a sentence; None while it is alive."""
        return self.death()

    def keep_programs(self, programs: Mapping[str, Program]) -> None:
        """Sends it programs that other engines have compiled."""
        self._actor.keep_programs.remote(list(programs), *programs.values())

    def _take(self, received: list[tuple[str, str, list[Any]]]) -> None:
        for kind, text, arrays in received:
            content = json.loads(text)
            if kind == "here":
                self._programs.join(self, content["type"], content["place"])
            elif kind == "programs":
                self._programs.add(self, dict(zip(content["names"], arrays, strict=True)))
            else:
                # copies: what the study keeps must not fill the object store
                self._arrived.append(Message(kind, content, [np.array(one) for one in arrays]))
        self._on_change(self)

    def _end(self) -> None:
        self._programs.leave(self)


class RayEngines:
    """Starts engines as actors; a `paceline.execute.engines.link.EngineSupply`.

    Attributes:
        starts_engines: True.
        has_same_main: False: actors have another main module than the study.
        advice: what to look at if engines cannot start.
    """

    starts_engines = True
    has_same_main = False
    advice = "The nodes of the Ray cluster have to import paceline and the module of build."

    def __init__(self, cluster: Cluster, share: WorkerResources, limit: int | None) -> None:
        """No engine starts yet.

        Args:
            cluster: where.
            share: what each engine gets of its node.
            limit: how many there are at most; None for as many as there is room for.

        Raises:
            InvalidInput: no node of the cluster has room for one.
        """
        cluster.check_room(share)
        self._cluster, self._share, self._limit = cluster, share, limit
        self._shipment, self._programs = Shipment(cluster), SharedPrograms()
        self._actors: ActorSupply[RayEngine] | None = None
        self._given: list[RayEngine] = []

    def connect(self, wake: Callable[[], None]) -> None:
        """Prepares to start engines, see `EngineSupply`."""
        from paceline.execute.ray.engine_actor import GROUPS, EngineActor

        self._actors = ActorSupply(
            self._cluster,
            self._share,
            self._limit,
            EngineActor,
            GROUPS,
            (),
            lambda actor, on_change: RayEngine(
                actor, on_change, self._shipment, self._programs
            ).listen(),
            wake,
        )

    def take(self, held: int) -> RayEngine | None:
        """An engine that has started, or None; starts more where there is room.

        Raises:
            PacelineError: engines cannot start.
        """
        engine = None if self._actors is None else self._actors.take(held, _WANTED)
        if engine is not None:
            self._given = [one for one in self._given if one.loss is None]
            engine.cores = self._cores_for(engine)
            self._given.append(engine)
            engine.begin(engine.cores, self._environment())
        return engine

    def close(self) -> None:
        """Ends the engines that are starting."""
        if self._actors is not None:
            self._actors.close()

    def _cores_for(self, engine: RayEngine) -> list[int]:
        """Cores of its machine that no other engine of the study uses; none for all of them.

        Several nodes of a cluster may be on one machine, and several engines on a node.
        """
        first = dict(engine.first or {})
        host, there = engine.name.partition(":")[0], list(first.get("cores", ()))
        wanted = int(self._share.cpus)
        if wanted < 1 or wanted >= len(there):
            return []
        others = [one for one in self._given if one.name.partition(":")[0] == host]
        used = [core for one in others for core in one.cores]
        return sorted(there, key=used.count)[:wanted]

    def _environment(self) -> dict[str, str]:
        """Variables for an engine's process: how much memory it takes of a part of a GPU."""
        if not 0 < self._share.gpus < 1:
            return {}
        return {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{_GPU_MEMORY * self._share.gpus:.3f}"}
