"""The connection to a Ray cluster, and what its nodes have."""

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paceline.core import InvalidInput, process_state

NAMESPACE = "paceline"
"""Of the actors' names, by which ``paceline cluster`` finds them."""

_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What one worker gets of a node.

    Attributes:
        cpus: cores.
        gpus: GPUs.
    """

    cpus: float
    gpus: float

    def fits(self, resources: Mapping[str, float]) -> int:
        """How often it fits into some resources, as Ray describes them."""
        found = [
            int(resources.get(name, 0.0) / amount + 1e-6)
            for name, amount in (("CPU", self.cpus), ("GPU", self.gpus))
            if amount > 0
        ]
        return min(found, default=0)

    def __str__(self) -> str:
        gpus = f" and {_counted(self.gpus, 'GPU')}" if self.gpus else ""
        return _counted(self.cpus, "core") + gpus


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster that is alive.

    Attributes:
        key: its identity.
        host: its name, or its address where that is not known.
        resources: what it has, by Ray's names.
    """

    key: str
    host: str
    resources: Mapping[str, float]

    @property
    def store(self) -> int:
        """Bytes of its object store."""
        return int(self.resources.get("object_store_memory", 0))

    def __str__(self) -> str:
        cpus, gpus = self.resources.get("CPU", 0.0), self.resources.get("GPU", 0.0)
        return f"{self.host}: {_counted(cpus, 'core')}, {_counted(gpus, 'GPU')}"


class Cluster:
    """A cluster to which this process is connected."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        return [
            Node(
                str(one["NodeID"]),
                str(one.get("NodeManagerHostname") or one.get("NodeManagerAddress")),
                one.get("Resources", {}),
            )
            for one in ray_module().nodes()
            if one.get("Alive")
        ]

    def check_room(self, share: WorkerResources) -> int:
        """How many workers the whole cluster has room for, were it empty.

        Raises:
            InvalidInput: none.
        """
        nodes = self.nodes()
        found = sum(share.fits(node.resources) for node in nodes)
        if not found:
            raise InvalidInput(
                f"a worker needs {share}, and no node of the Ray cluster has that "
                f"({'; '.join(map(str, nodes))})",
                expected="cpus_per_worker and gpus_per_worker that fit a node",
                fix="On a cluster that grows when it is asked to, start the first such node: "
                "ray.autoscaler.sdk.request_resources.",
            )
        return found

    def largest_share(self, cpus: float | None, gpus: float | None) -> WorkerResources:
        """The largest share of a node that fits all nodes: a whole one, or one of its GPUs.

        Args:
            cpus: cores, if they were given.
            gpus: GPUs, if they were given.
        """
        nodes = [node.resources for node in self.nodes()]
        with_gpu = [node for node in nodes if node.get("GPU", 0.0) >= 1.0]
        if gpus is None:
            gpus = 1.0 if with_gpu else 0.0
        used = with_gpu if gpus else [node for node in nodes if node.get("CPU", 0.0) >= 1.0]
        shares = [
            node.get("CPU", 0.0) // max(1.0, node.get("GPU", 0.0) / gpus if gpus else 1.0)
            for node in used
        ]
        return WorkerResources(max(1.0, min(shares, default=1.0)) if cpus is None else cpus, gpus)

    def free_room(self, share: WorkerResources) -> int:
        """How many workers fit into what is free; nearly, since parts of nodes are added up."""
        return share.fits(ray_module().available_resources())

    def put(self, value: Any, num_bytes: int, what: str) -> Any:
        """Copies a value to the object store, from which all workers take it.

        Args:
            value: the value.
            num_bytes: its size.
            what: what it is, for the message.

        Returns:
            The reference to pass to workers.

        Raises:
            InvalidInput: a node's object store is too small for it.
        """
        self.check_size(num_bytes, what)
        return ray_module().put(value)

    def check_size(self, num_bytes: int, what: str) -> None:
        """Checks that every node has room for some bytes in its object store.

        Raises:
            InvalidInput: one is too small.
        """
        smallest = min(self.nodes(), key=lambda node: node.store)
        if num_bytes > smallest.store:
            raise InvalidInput(
                f"{what} are {_megabytes(num_bytes)}, and the object store of the Ray node "
                f"{smallest.host} has {_megabytes(smallest.store)}",
                expected="nodes whose object store is larger",
                fix="Start them with more: ray start --object-store-memory=...",
            )


def ray_module() -> Any:
    """Ray itself.

    Raises:
        InvalidInput: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise InvalidInput(
            f"executor is 'ray', and Ray cannot be imported ({error})",
            expected="Ray to be installed",
            fix="pip install 'paceline[ray]'. Without it, a study can continue with "
            "executor='local'.",
        ) from error
    return ray


def connect(address: str | None) -> Cluster:
    """Connects this process to a cluster, unless it is connected already.

    At the end of the call of Paceline a connection that was made here is closed again, and with it
    a cluster that was started here.

    Args:
        address: see `paceline.execute.Ray`.

    Raises:
        InvalidInput: Ray is not installed, or there is no such cluster.
    """
    ray = ray_module()
    if ray.is_initialized():
        _check_same(ray, address)
        return Cluster()
    found = None if address == "local" else _find(address)
    try:
        with _quietly():
            if found is None:
                ray.init("local", include_dashboard=False, **_QUIET)
            else:
                ray.init(found, **_QUIET)
    except Exception as error:  # Ray raises several kinds, some of its own
        raise InvalidInput(
            f"{_shown(address)} cannot be used ({_first_line(error)})",
            expected="a Ray cluster with the Python and Ray of this process, on this machine or "
            "joined by it with: ray start --address=HOST:6379",
            fix="If ray start said that token authentication is enabled, set RAY_AUTH_MODE=token.",
        ) from error
    process_state.restore_at_end(("ray",), ray.shutdown)
    return Cluster()


_QUIET: Mapping[str, Any] = {"logging_level": logging.WARNING, "namespace": NAMESPACE}


def _find(address: str | None) -> str | None:
    """The host and port of a running cluster; None if a new one is to be started.

    Ray waits for a minute for a cluster that does not answer, so a connection is tried first.

    Raises:
        InvalidInput: there is none at this address, or none here.
    """
    # not public; ray.init does the same and gives no chance to try the address
    from ray._private import services  # type: ignore[import-not-found, unused-ignore]

    if address is None:
        found = services.canonicalize_bootstrap_address(None)
    else:
        try:
            found = services.canonicalize_bootstrap_address_or_die(address)
        except ConnectionError as error:
            raise _no_cluster(address, _first_line(error)) from error
    if found is None:
        return None
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, f"nothing answers at {found}: {error}") from error
    return str(found)


def _no_cluster(address: str | None, why: str) -> InvalidInput:
    return InvalidInput(
        f"{_shown(address)} was not found ({why})",
        expected="the address of a Ray cluster that runs",
        fix="Start one with: ray start --head. A study that ran on one can continue without, with "
        "executor='local'.",
    )


def _shown(address: str | None) -> str:
    from_env = os.environ.get("RAY_ADDRESS")
    if address in (None, "auto") and from_env:
        return f"the Ray cluster of RAY_ADDRESS={from_env}"
    return "the Ray cluster" if address is None else f"the Ray cluster at address={address!r}"


def _check_same(ray: Any, address: str | None) -> None:
    """Checks that the cluster to which the process is connected is the one that was asked for.

    Raises:
        InvalidInput: it is another one.
    """
    if address in (None, "auto", "local"):
        return
    now = str(ray.get_runtime_context().gcs_address)
    if _resolved(str(address)) != _resolved(now):
        raise InvalidInput(
            f"address is {address!r}, and this process is connected to the Ray cluster at {now}",
            expected="one cluster for each process",
            fix="Call ray.shutdown() first, or leave the address out.",
        )


def _resolved(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    try:
        host = socket.gethostbyname(host)
    except OSError:
        return host, port
    return ("localhost" if host.startswith("127.") or host == _own_host() else host), port


def _own_host() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


@contextmanager
def _quietly() -> Iterator[None]:
    """Puts back the handler of SIGTERM, which ``ray.init`` replaces.

    JAX warns of the forks with which Ray starts its processes; they are followed by an exec.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__


def _counted(amount: float, what: str) -> str:
    return f"{amount:g} {what}{'' if amount == 1 else 's'}" if amount else f"no {what}"


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.0f} MiB"
