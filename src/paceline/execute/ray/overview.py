"""What runs on a Ray cluster: its nodes, Paceline's workers there, and what each of them does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paceline.execute.ray.cluster import NAMESPACE, Cluster, Node, connect, ray_module
from paceline.execute.ray.supply import is_own

_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WorkerOverview:
    """A worker of some study.

    Attributes:
        kind: ``"function"``, ``"engine"`` of networks, or ``"starting"``.
        name: machine and process; empty while it starts.
        trials: numbers of the trials that it runs.
        lanes: of the model that an engine compiled last, for as many networks at once.
        seconds: since it began its trial, or since an engine ended the last one.
        memory: bytes of memory in use.
    """

    kind: str
    name: str
    trials: Sequence[int] = ()
    lanes: int = 1
    seconds: float = 0.0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class NodeOverview:
    """A node, and Paceline's workers on it.

    Attributes:
        node: the node; None for workers that have none yet.
        workers: the workers.
    """

    node: Node | None
    workers: Sequence[WorkerOverview]


def overview(address: str = "auto") -> list[NodeOverview]:
    """The nodes of a cluster with the workers of all studies.

    Raises:
        InvalidInput: there is no such cluster.
    """
    return _overview(connect(address), is_of_all=True)


def own_nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """The nodes of a cluster with the workers of this process; see `ExecutorUpdate.nodes`."""
    return [
        {
            "name": "" if one.node is None else str(one.node),
            "workers": [asdict(worker) for worker in one.workers],
        }
        for one in _overview(cluster, is_of_all=False)
    ]


def _overview(cluster: Cluster, *, is_of_all: bool) -> list[NodeOverview]:
    nodes, described = cluster.nodes(), _described(is_of_all)
    found = [
        NodeOverview(node, [_worker(one) for one in described if one.get("node") == node.key])
        for node in nodes
    ]
    starting = [_worker(one) for one in described if "node" not in one]
    return [*found, NodeOverview(None, starting)] if starting else found


def _described(is_of_all: bool) -> list[Mapping[str, Any]]:
    """The overview of each worker, or of those of this process; its kind only if it is silent."""
    ray = ray_module()
    asked = []
    for one in ray.util.list_named_actors(all_namespaces=True):
        if one["namespace"] == NAMESPACE and (is_of_all or is_own(one["name"])):
            try:
                actor = ray.get_actor(one["name"], namespace=NAMESPACE)
            except ValueError:  # it has ended meanwhile
                continue
            asked.append(actor.describe.remote())
    if not asked:
        return []
    answered, others = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_SECONDS)
    found: list[Mapping[str, Any]] = [{"kind": "starting", "name": ""} for _ in others]
    for one in answered:
        try:
            found.append(ray.get(one))
        except ray.exceptions.RayError:  # it has ended meanwhile
            continue
    return sorted(found, key=lambda one: str(one["name"]))


def _worker(described: Mapping[str, Any]) -> WorkerOverview:
    return WorkerOverview(**{name: value for name, value in described.items() if name != "node"})
