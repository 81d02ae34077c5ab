"""The executor on Ray, as users ask for it."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from paceline.execute.base import Executor
from paceline.execute.configured import ConfiguredExecutor
from paceline.execute.work import FunctionWork, Work, registry

if TYPE_CHECKING:
    from paceline.execute.function_call import Function
    from paceline.execute.process_worker import Load
    from paceline.execute.ray.cluster import WorkerResources

_FIELDS = ("address", "cpus_per_worker", "gpus_per_worker", "workers")


@dataclass(frozen=True, slots=True)
class Ray(ConfiguredExecutor):
    """Runs trials on a Ray cluster: ``executor=paceline.execute.Ray(address="auto")``.

    ``executor="ray"`` is the same with all defaults.

    Attributes:
        address: of the cluster, such as ``"10.0.0.1:6379"``; ``"auto"`` for the one that runs on
            this machine, ``"local"`` for a new one on this machine, for this study only. None for
            the one that this process is connected to, or that runs here, else a new one.
        cpus_per_worker: cores of each worker; None for one for a function, and for those of the
            smallest node for networks, divided by its GPUs.
        gpus_per_worker: GPUs of each worker; None for none for a function, and for one for networks
            if there are any.
        workers: how many workers at most; None for as many as the cluster has room for, also when
            nodes join.
    """

    name: ClassVar[str] = "ray"
    fields: ClassVar[tuple[str, ...]] = _FIELDS

    address: str | None = None
    cpus_per_worker: float | None = None
    gpus_per_worker: float | None = None
    workers: int | None = None

    @property
    def share(self) -> "WorkerResources":
        """What one worker that calls a function gets of a node."""
        from paceline.execute.ray.cluster import WorkerResources

        cpus, gpus = self.cpus_per_worker, self.gpus_per_worker
        return WorkerResources(1.0 if cpus is None else cpus, gpus or 0.0)

    def __call__(self, work: Work) -> Executor:
        """Makes the executor.

        Raises:
            InvalidInput: Ray is not installed, there is no such cluster, or it cannot do the work.
        """
        from paceline.execute.ray.cluster import connect
        from paceline.execute.ray.overview import own_nodes
        from paceline.execute.watched import WatchedExecutor

        cluster = connect(self.address)
        if not isinstance(work, FunctionWork):
            from paceline.execute.engines.driver import EngineExecutor
            from paceline.execute.engines.work_coding import encoded_work
            from paceline.execute.ray.engines import RayEngines

            _, arrays = encoded_work(work, has_same_main=False)
            cluster.check_size(sum(array.nbytes for array in arrays), "the data")
            share = cluster.largest_share(self.cpus_per_worker, self.gpus_per_worker)
            engines = EngineExecutor(work, RayEngines(cluster, share, self.workers))
            return WatchedExecutor(engines, partial(own_nodes, cluster))
        from paceline.execute.function_executor import FunctionExecutor
        from paceline.execute.ray.functions import RaySupply

        load = work.load or self.loader(work.function)
        supply = RaySupply(cluster, self.share, self.workers, load, work.metric, work.limits.memory)
        return WatchedExecutor(FunctionExecutor.of(work, supply), partial(own_nodes, cluster))

    def num_calls(self) -> int:
        """How many calls run at once on the cluster as it is now.

        Raises:
            InvalidInput: Ray is not installed, there is no such cluster, or no node of it has room
                for a worker.
        """
        from paceline.execute.ray.cluster import connect

        found = connect(self.address).check_room(self.share)
        return found if self.workers is None else self.workers

    def loader(self, function: "Function") -> "Load":
        """How a worker gets the function.

        Raises:
            InvalidInput: it cannot be copied to another process.
        """
        from paceline.execute.process_worker import importable

        return importable(function, has_same_main=False)


registry.register(Ray(), Ray.name)
