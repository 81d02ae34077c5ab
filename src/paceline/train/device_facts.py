"""Facts of the devices that decide how many networks train at once."""

import os
from dataclasses import dataclass

import jax
import psutil

_SHARE_OF_FREE = 0.5


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """Properties of the devices that train networks.

    Attributes:
        platform: as in ``jax.default_backend()``.
        count: devices over which lanes are distributed.
        num_cores: cores of the machine.
        free_bytes: free memory of a device.
    """

    platform: str
    count: int
    num_cores: int
    free_bytes: int

    @classmethod
    def of_machine(cls) -> "DeviceFacts":
        """The facts of the devices of this process."""
        devices = jax.local_devices()
        statistics = devices[0].memory_stats() or {}
        if "bytes_limit" in statistics:
            free = statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
        else:
            free = psutil.virtual_memory().available
        return cls(jax.default_backend(), len(devices), os.cpu_count() or 1, free)

    @property
    def is_cpu(self) -> bool:
        """Whether the devices are the cores of the machine."""
        return self.platform == "cpu"

    @property
    def memory(self) -> int:
        """The default memory of all cohorts: at most half of the free bytes of the devices.

        Rounded down to a power of two, so that it rarely differs between runs.
        """
        devices = 1 if self.is_cpu else self.count
        return devices << max(0, int(self.free_bytes * _SHARE_OF_FREE).bit_length() - 1)

    @property
    def num_cohorts(self) -> int:
        """Number of cohorts to train at the same time.

        One per core of a CPU, as XLA does not use all cores for a cohort. Elsewhere two, since a
        device computes while the other cohort's results are read; with several devices, which a
        cohort shares, one.
        """
        if self.count > 1:
            return 1
        return min(self.num_cores, 8) if self.is_cpu else 2

    @property
    def max_lanes(self) -> int:
        """Lanes beyond which none is faster; an order of rows is stored for each."""
        return self.count * (128 if self.is_cpu else 4096)

    @property
    def max_idle_lanes(self) -> int:
        """Lanes for trials that arrive sequentially, most of which may be idle.

        One on a CPU, which gains little from several and pays for idle ones; elsewhere as many as
        trials are in flight.
        """
        return self.count * (1 if self.is_cpu else 64)

    @property
    def values_per_equation(self) -> float:
        """The fixed cost of an equation of a step, in computed values that take as long.

        On two cores of a CPU 0.1 µs at 3 values per ns; on an H100 0.33 µs, as most are fused, at
        600 values per ns.
        """
        return 3e2 if self.is_cpu else 2e5

    @property
    def values_per_epoch(self) -> float:
        """The fixed cost of an epoch, in the same unit: 2 ms, most of it on the host."""
        return 5e6 if self.is_cpu else 1.2e9
