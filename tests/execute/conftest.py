"""A Ray cluster on this machine, for the tests of each file that use one."""

from collections.abc import Iterator
from typing import Any

import pytest

_ATTEMPTS = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster with two slots on its first node, to which this process is connected."""
    import ray

    made = _made()
    try:
        ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def _made() -> Any:
    """A new cluster; Ray gives its first node 30 seconds to start, which a busy machine exceeds."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "include_dashboard": False}
    for attempt in range(_ATTEMPTS):
        try:
            return Cluster(initialize_head=True, head_node_args=node)
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")
