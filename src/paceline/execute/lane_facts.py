"""The facts from which numbers of lanes are chosen."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from paceline.train.device_facts import DeviceFacts


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """The facts from which numbers of lanes are chosen: the same ones in all engines of a study.

    Attributes:
        device: those of the devices.
        capacity: bytes of lanes that train best at once; None if more are never slower.
    """

    device: DeviceFacts
    capacity: int | None

    @classmethod
    def of_machine(cls, fused: bool = True) -> Self:
        """Those of this machine; measures it if that was not done before.

        Args:
            fused: whether networks may train in cohorts.
        """
        from paceline.train.calibration import capacity

        return cls(DeviceFacts.of_machine(), capacity() if fused else None)

    @classmethod
    def of_engine(cls) -> Self:
        """Those of an engine, which has equal devices as others, or is the only one of its kind.

        The capacity of a CPU is not measured: the driver knows it, or has other devices.
        """
        device = DeviceFacts.of_machine()
        return cls(device, None) if device.is_cpu else cls.of_machine()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(DeviceFacts(**content["device"]), content["capacity"])

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON types."""
        return asdict(self)

    def is_like(self, other: "LaneFacts") -> bool:
        """Whether the devices are of the same kind and number; memory may differ."""
        mine, its = self.device, other.device
        return (mine.platform, mine.count) == (its.platform, its.count)

    @property
    def at_once(self) -> int:
        """How many cohorts this process trains at once, which may have a share of the cores."""
        own = usable_cores() if self.device.is_cpu else self.device.num_cohorts
        return max(1, min(own, self.device.num_cohorts))


def usable_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
