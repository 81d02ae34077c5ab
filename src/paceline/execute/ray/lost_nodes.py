"""Nodes that were lost and that Ray may still take for alive."""

import threading
import time
from typing import Any

from paceline.execute.ray.cluster import Cluster

_SECONDS = 60.0  # Ray notices within 15 to 30 seconds that a node does not answer


class LostNodes:
    """Keeps new actors away from nodes on which others were lost.

    The connection to an actor breaks at once when its node ends, but Ray takes the node for alive
    until it has missed several checks, and would start the next actor there.
    """

    def __init__(self, cluster: Cluster) -> None:
        """None is lost yet."""
        self._cluster = cluster
        self._since: dict[str, float] = {}
        self._is_new = False
        self._lock = threading.Lock()

    def add(self, node: str) -> None:
        """Notes that an actor was lost with its node; may be called from any thread."""
        with self._lock:
            self._since[node] = time.monotonic()
            self._is_new = True

    def are_new(self) -> bool:
        """Whether one was added since the last call."""
        with self._lock:
            found, self._is_new = self._is_new, False
        return found

    def options(self) -> dict[str, Any]:
        """The options of a new actor that is to start elsewhere."""
        now = time.monotonic()
        with self._lock:
            lost = sorted(node for node, since in self._since.items() if now - since < _SECONDS)
        if not lost or {node.key for node in self._cluster.nodes()} <= set(lost):
            return {}
        return {"label_selector": {"ray.io/node-id": f"!in({', '.join(lost)})"}}
