"""What prepares the networks of some work and decides which of them train together."""

from dataclasses import dataclass
from typing import Self

from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.prepare import Preparation, ProgramHint, structural_hint
from paceline.execute.work import NetworkWork
from paceline.train.calibration import capacity
from paceline.train.device_facts import DeviceFacts
from paceline.train.example_files import ExampleFiles
from paceline.train.lane_count import LaneCount
from paceline.train.trace_cache import TraceCache


@dataclass(frozen=True, slots=True, eq=False)
class NetworkParts:
    """The parts of an executor of networks on this machine.

    Attributes:
        preparation: builds and traces networks.
        hint: expects which configurations share a program.
        lane_count: chooses numbers of lanes.
        expected: how many networks are expected to share a program.
    """

    preparation: Preparation
    hint: ProgramHint
    lane_count: LaneCount
    expected: ExpectedNetworks

    @classmethod
    def of(cls, work: NetworkWork) -> Self:
        """Of some work; measures this machine if that was not done before."""
        fused = work.backend == "jax"
        preparation = Preparation(
            work.build,
            work.data,
            work.options,
            work.space,
            work.loop_names,
            fused,
            work.discovery,
            TraceCache(ExampleFiles.of_machine()) if fused else None,
        )
        device = DeviceFacts.of_machine()
        lane_count = LaneCount(
            device,
            capacity() if fused else None,
            work.options.memory or device.memory,
            work.one_by_one,
        )
        hint = structural_hint(work.structural, work.space)
        expected = ExpectedNetworks(work.space, hint, work.num_configs, work.num_repeats)
        return cls(preparation, hint, lane_count, expected)
