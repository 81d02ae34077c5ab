"""Distributes the lanes of a cohort over several devices."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def lane_mesh(devices: list[jax.Device]) -> Mesh | None:
    """A mesh over which lanes are distributed; None for a single device."""
    return Mesh(devices, ("lanes",)) if len(devices) > 1 else None


def lane_sharding(mesh: Mesh | None) -> NamedSharding | None:
    """The sharding of arrays whose first axis counts lanes."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec("lanes"))


def replicated(mesh: Mesh | None) -> NamedSharding | None:
    """The sharding of arrays that all lanes share, such as batches of a stream."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec())


def stacked_spec(leaf: Any, num_lanes: int, mesh: Mesh | None) -> jax.ShapeDtypeStruct:
    """Shape ``(num_lanes, ...)``, type and sharding of an array of each lane, stacked."""
    return jax.ShapeDtypeStruct((num_lanes, *leaf.shape), leaf.dtype, sharding=lane_sharding(mesh))


def shard_lanes(function: Any, mesh: Mesh | None, has_lanes: tuple[bool, ...]) -> Any:
    """Distributes the lanes of a function over a mesh; devices do not communicate.

    Args:
        function: its results have a lane axis first.
        mesh: the devices, or None.
        has_lanes: for each argument, whether its arrays have a lane axis first.
    """
    if mesh is None:
        return function
    specs = tuple(PartitionSpec("lanes") if lanes else PartitionSpec() for lanes in has_lanes)
    return jax.shard_map(
        function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("lanes"), check_vma=False
    )
